"""The formula command: what it is composed of."""

from importlib.metadata import version as version_of

import typer

from api.commands import (
    audit,
    audit_filters,
    audit_holds,
    db,
    doctor,
    events,
    job_orders,
    processes,
    projections,
    store,
    tour,
    transfer,
    up,
)
from api.commands.audit_export import export, verify
from api.commands.output import JsonFlag, out, plain_errors, print_json
from api.commands.query import query
from api.commands.replay import replay
from api.realtime.asyncapi import asyncapi as document
from infra.log import configure_logging
from infra.process import relax_collector
from infra.settings import Settings

HELP = """Formula: project management in which people work together live.

A first look:
[bold]formula up[/] starts everything, [bold]formula tour[/] shows what it does.

To look inside:
[bold]formula events tail[/], [bold]formula audit[/], [bold]formula doctor[/].
"""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
START, LOOK, PART = "Start", "Look", "One process at a time"

app.command(rich_help_panel=START)(up.up)
app.command(rich_help_panel=START)(tour.tour)
app.command(rich_help_panel=START)(doctor.doctor)
app.command(rich_help_panel=START)(store.seed)
app.command(rich_help_panel=START)(processes.demo)
app.add_typer(events.app, name="events", rich_help_panel=LOOK)
app.add_typer(audit.app, name="audit", rich_help_panel=LOOK)
audit.app.command("export")(export)
app.command(rich_help_panel=LOOK)(replay)
audit.app.command("verify-export")(verify)
audit.app.add_typer(audit_filters.app, name="filters")
audit.app.add_typer(audit_holds.app, name="holds")
app.command(rich_help_panel=LOOK)(query)
app.add_typer(store.app, name="store", rich_help_panel=LOOK)
app.add_typer(projections.app, name="projections", rich_help_panel=LOOK)
app.add_typer(job_orders.app, name="jobs", rich_help_panel=LOOK)
app.add_typer(db.app, name="db", rich_help_panel=LOOK)
store.app.command("export")(transfer.export_log)
store.app.command("import")(transfer.import_log)
app.command(rich_help_panel=PART)(store.migrate)
app.command(rich_help_panel=PART)(processes.api)
app.command(rich_help_panel=PART)(processes.projector)
app.command(rich_help_panel=PART)(processes.worker)
app.command(rich_help_panel=PART)(processes.scheduler)


@app.command(rich_help_panel=LOOK)
def version(json: JsonFlag = False) -> None:
    """Print the version."""
    if json:
        print_json({"version": version_of("formula")})
    else:
        out.print(version_of("formula"))


@app.command(rich_help_panel=LOOK)
def asyncapi() -> None:
    """Print the description of the WebSocket protocol (AsyncAPI 3)."""
    print_json(document())


def main() -> None:
    configure_logging(Settings(log_level="error", log_format="pretty"))
    relax_collector()
    with plain_errors():
        app()
