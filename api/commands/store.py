"""The store: bring it up to date, fill it, look after it."""

import asyncio
from functools import partial
from typing import Annotated

import typer

from api.commands.output import JsonFlag, fail, out, print_json, running_settings
from api.commands.progress import progress
from api.commands.store_text import show_maintained, show_report, show_stats
from infra.eventstore import epoch, motion
from infra.eventstore.stats import stats as read_stats
from infra.eventstore.verify import verify as verify_log
from infra.settings import load_settings

app = typer.Typer(help="Look after the event log.", no_args_is_help=True)


@app.command()
def stats(json: JsonFlag = False) -> None:
    """Print how much there is, how fast it grows, and who is behind. Cheap on any log.

    Example: [bold]formula store stats --json | jq .consumers[/]
    """
    found = asyncio.run(read_stats(_database()))
    if json:
        print_json(found)
    else:
        show_stats(found)


@app.command()
def verify(
    after: Annotated[int, typer.Option(min=0, help="Only what is above this position.")] = 0,
    json: JsonFlag = False,
) -> None:
    """Read the whole log and check that nothing is missing, twice there, or unreadable.

    Safe while it grows. Exit code 1 when something is wrong.

    Example: [bold]formula store verify --json | jq '.findings[]'[/]
    """
    with progress() as note:
        report = asyncio.run(verify_log(_database(), after, partial(note, "verifying")))
    if json:
        print_json(report)
    else:
        show_report(report)
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def maintain(json: JsonFlag = False) -> None:
    """Make room for motion ahead of the log, and drop what is past MOTION_RETENTION_S.

    The scheduler does the same every minute. Exit code 1 when something is in the way.
    """
    done = asyncio.run(motion.maintain(_database(), load_settings().motion_retention_s))
    if done is None:
        fail("another process maintains the log just now: look again in a minute")
    if json:
        print_json(done)
    else:
        show_maintained(done)
    raise typer.Exit(0 if done.held is None else 1)


@app.command("new-epoch")
def new_epoch(json: JsonFlag = False) -> None:
    """Let clients forget the positions they hold. For after a restore, before the API starts.

    Without it a client that saw events which the restored log has lost could skip new ones.
    """
    salt = epoch.new_epoch(_database())
    if json:
        print_json({"salt": salt})
    else:
        out.print("clients begin anew once the API processes have been started again")


def _database() -> str:
    """These need no Redis: a restored log can be looked at by DATABASE_URL alone."""
    return load_settings().database_url or running_settings().database_url
