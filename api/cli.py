"""The formula command: what it is composed of."""

from importlib.metadata import version as version_of

from typer.core import TyperGroup

from api.commands.listed import Listed
from api.commands.output import JsonFlag, out, print_json
from infra.collector import relax_collector
from infra.log import configure_logging
from infra.settings import Settings

HELP = """Formula: project management in which people work together live.

A first look:
[bold]formula up[/] starts everything, [bold]formula tour[/] shows what it does.

To look inside:
[bold]formula events tail[/], [bold]formula audit[/], [bold]formula doctor[/].
"""

START, LOOK, PART = "Start", "Look", "One process at a time"
PROCESSES = "api.commands.processes"

OF_AUDIT = (
    Listed(
        "export",
        "api.commands.audit_export:export",
        "Write the audit trail to a zip with a signed manifest.",
    ),
    Listed(
        "verify-export",
        "api.commands.audit_export:verify",
        "Check that an export is whole and as it was signed. Exit code 1 when it is not.",
    ),
    Listed(
        "filters",
        "api.commands.audit_filters:app",
        "Keep searches of the audit by name.",
    ),
    Listed("holds", "api.commands.audit_holds:app", "Place and release legal holds."),
)
OF_STORE = (
    Listed(
        "export",
        "api.commands.transfer:export_log",
        "Write the log to a file, up to the newest event of now. Events may come meanwhile.",
    ),
    Listed(
        "import",
        "api.commands.transfer:import_log",
        "Store an exported log in a database whose log is empty (formula up --no-demo).",
    ),
)
COMMANDS = (
    Listed("up", "api.commands.up:up", "Start everything and stay until Ctrl-C.", START),
    Listed(
        "tour",
        "api.commands.tour:tour",
        "Show what Formula does, step by step, with people of its own; under two minutes.",
        START,
    ),
    Listed(
        "doctor",
        "api.commands.doctor:doctor",
        "Check this installation and print every setting with where it came from.",
        START,
    ),
    Listed(
        "services",
        "api.commands.services:services",
        "Show what each process is made of, how it is and since when.",
        LOOK,
    ),
    Listed(
        "seed",
        "api.commands.seed:seed",
        "Make the demo workspace: people of every role, clients, projects, tasks, comments.",
        START,
    ),
    Listed(
        "demo",
        f"{PROCESSES}:demo",
        "Simulate four colleagues in the demo workspace: they move, act, lock, comment, drop.",
        START,
    ),
    Listed(
        "replay",
        "api.commands.replay:replay",
        "Show a project as it was, play what happened, or tell what became different.",
        LOOK,
    ),
    Listed(
        "query",
        "api.commands.query:query",
        "Ask the views of the schema analytics; people, tasks, throughput, workload, …",
        LOOK,
    ),
    Listed(
        "bench",
        "api.commands.bench:bench",
        "Measure Formula beside its peers, on servers of its own, and keep the result.",
        LOOK,
    ),
    Listed("version", "api.cli:version", "Print the version.", LOOK),
    Listed(
        "asyncapi",
        "api.commands.asyncapi:asyncapi",
        "Print the description of the WebSocket protocol (AsyncAPI 3).",
        LOOK,
    ),
    Listed("events", "api.commands.events:app", "Read the event log.", LOOK),
    Listed("audit", "api.commands.audit:app", "Read the audit trail.", LOOK, OF_AUDIT),
    Listed("store", "api.commands.store:app", "Look after the event log.", LOOK, OF_STORE),
    Listed("projections", "api.commands.projections:app", "Look after the read models.", LOOK),
    Listed("jobs", "api.commands.job_orders:app", "Look after jobs and queues.", LOOK),
    Listed("files", "api.commands.files:app", "Look after what projects keep.", LOOK),
    Listed(
        "metrics",
        "api.commands.metrics:app",
        "See what the processes measured in the last minute, of each role together.",
        LOOK,
    ),
    Listed(
        "log-level",
        "api.commands.log_level:log_level",
        "Change what every process logs for a while; then the settings' level comes back.",
        LOOK,
    ),
    Listed("keys", "api.commands.keys:app", "Look after the keys that sign access tokens.", LOOK),
    Listed("alerts", "api.commands.alerts:app", "Look after alerts.", LOOK),
    Listed("db", "api.commands.db:app", "Look into the database.", LOOK),
    Listed(
        "migrate",
        "api.commands.migrate:migrate",
        "Bring the database up to date. Safe to run again, and by several at once.",
        PART,
    ),
    Listed("api", f"{PROCESSES}:api", "Serve REST and WebSockets.", PART),
    Listed(
        "projector",
        f"{PROCESSES}:projector",
        "Project the log into read tables, and push what is new to the rooms.",
        PART,
    ),
    Listed("worker", f"{PROCESSES}:worker", "Run jobs: mails, notifications, reports.", PART),
    Listed(
        "scheduler",
        f"{PROCESSES}:scheduler",
        "Do what is due: expire locks, end the stay of people whose node is gone, tidy up.",
        PART,
    ),
)


def version(json: JsonFlag = False) -> None:
    """Print the version."""
    if json:
        print_json({"version": version_of("formula")})
    else:
        out.print(version_of("formula"))


def main() -> None:
    configure_logging(Settings(log_level="error", log_format="pretty"))
    relax_collector()
    try:
        TyperGroup(name="formula", commands=COMMANDS, help=HELP, no_args_is_help=True)()
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001, what is not expected is raised
        from api.commands import failures  # noqa: PLC0415, it takes more than most commands

        failures.end(error)
