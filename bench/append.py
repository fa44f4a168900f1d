"""append: how fast, in what order and at what size of the log events are stored and read."""

from bench.harness import Contestant, Results, Stage, compete, contestant
from bench.load.append import Appends
from bench.load.execute import Commands
from bench.load.latency import Arrivals
from bench.load.loops import Window
from bench.load.order import Watch
from bench.peers import emmett
from bench.peers.emmett import NodeAppends
from bench.peers.pgbench import Inserts
from bench.peers.plain import Transactions
from bench.peers.recorder import ThreadAppends
from bench.report import Row, Target

CALLERS = (1, 8, 32, 128, 512)
CLIENTS = (1, 8, 32)
IDLE_RATE = 100  # a second: each is answered long before the next is due
# What is compared: title, contestant, the other one, the least ratio.
THROUGHPUT = (
    ("durable append, 1 caller", "formula 1", "pgbench 1", 0.6),
    ("durable append, 8 callers", "formula 8", "pgbench 8", 0.9),
    ("durable append, 32 callers", "formula 32", "pgbench 32", 1.0),
    ("durable append, 128 callers", "formula 128", "pgbench 32", 1.2),
    ("durable append, 512 callers", "formula 512", "pgbench 32", 1.4),
    ("two processes, 64 callers each", "formula 64 + 64", "formula 128", 0.9),
    ("load, decide, append, 128 callers", "execute 128", "formula 128", 0.6),
    ("beside the stock recorder", "formula 32", "eventsourcing 32", 15.0),
)


def run(stage: Stage) -> list[Row]:
    return [*throughput(stage), *idle(stage), *order(stage)]


def throughput(stage: Stage) -> list[Row]:
    """Closed loops on one server: callers of Formula, its command path, and its peers."""
    window = Window(0.5, 0.2) if stage.quick else Window(3.0)
    skipped = emmett.install()
    contestants = [*_formulas(stage, window), *_peers(stage, window)]
    if skipped is None:
        node = stage.database("emmett").database_url
        contestants.append(contestant("emmett 128", NodeAppends(node, 128, window)))
    results = compete(contestants, rounds=1 if stage.quick else 3)
    rows = [
        results.row(title, "events/s", of, against=against, target=Target(least=least))
        for title, of, against, least in THROUGHPUT
    ]
    peers = [one.name for one in contestants if one.name.startswith(("pgbench", "eventsourcing"))]
    return [
        *rows,
        *_emmett(results, skipped),
        *(results.row(one, "events/s", one) for one in peers),
    ]


def _formulas(stage: Stage, window: Window) -> list[Contestant]:
    """One database for all: what they write to is of one size."""
    log = stage.database("log")
    long = Window(window.seconds, before_s=1.0, after_s=1.0)  # two do not start at the same moment
    halves = (Appends(log, 64, long, 0, 5_000), Appends(log, 64, long, 5_000, 10_000))
    return [
        *(contestant(f"formula {callers}", Appends(log, callers, window)) for callers in CALLERS),
        contestant("formula 64 + 64", *halves),
        contestant("execute 128", Commands(log, 128, window)),
    ]


def _peers(stage: Stage, window: Window) -> list[Contestant]:
    """A database each."""
    single, full, stock = (
        stage.database(name).database_url for name in ("single", "full", "stock")
    )
    return [
        *(contestant(f"pgbench {n}", Inserts(single, n, window)) for n in CLIENTS),
        *(
            contestant(f"pgbench full row {n}", Inserts(full, n, window, full=True))
            for n in CLIENTS
        ),
        contestant("eventsourcing 32", ThreadAppends(stock, 32, window)),
    ]


def _emmett(results: Results, skipped: str | None) -> list[Row]:
    title, unit = "beside Emmett", "events/s"
    if skipped is not None:
        return [Row(name=title, value=None, unit=unit, note=f"skipped: {skipped}")]
    target, of, against = Target(least=6.0), "formula 128", "emmett 128"
    return [
        results.row(title, unit, of, against=against, target=target),
        results.row(against, unit, against),
    ]


def idle(stage: Stage) -> list[Row]:
    """Latency with nobody else about, beside one INSERT of the same row."""
    window = Window(1.0) if stage.quick else Window(4.0)
    log, plain = stage.database("idle"), stage.database("plain")
    contestants = [
        contestant("formula", Arrivals(log, IDLE_RATE, window)),
        contestant("plain transaction", Transactions(plain.database_url, IDLE_RATE, window)),
    ]
    results = compete(contestants, rounds=1 if stage.quick else 4)
    mine, other, p50 = "formula", "plain transaction", "append p50"
    return [
        results.row("idle, p50", "ms", mine, p50, against=other, target=Target(most=1.3)),
        results.row("plain transaction", "ms", other, p50),
    ]


def order(stage: Stage) -> list[Row]:
    """A tail in one process while two others write, and a read of it all afterwards."""
    log, window = stage.database("order"), Window(1.0 if stage.quick else 5.0)
    writers = (Appends(log, 64, window, 0, 5_000), Appends(log, 64, window, 5_000, 10_000))
    results = compete([contestant("tail", Watch(log, writers))], rounds=1)
    never = Target(most=0)
    return [
        results.row("tail beside two writers", "events", "tail", "events"),
        results.row("of these missed", "events", "tail", "missed", target=never),
        results.row("of these twice", "events", "tail", "twice", target=never),
        results.row("of these out of order", "events", "tail", "disordered", target=never),
        results.row("gaps in streams' versions", "events", "tail", "torn", target=never),
    ]
