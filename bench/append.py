"""append: how fast, in what order and at what size of the log events are stored and read."""

import time
from collections.abc import Mapping, Sequence

from bench.contestant import Contestant, contestant
from bench.fill import fill, streams_of
from bench.harness import Results, Stage, compete, say
from bench.load.append import Appends
from bench.load.execute import Commands
from bench.load.latency import Arrivals
from bench.load.loops import Window
from bench.load.order import Watch
from bench.load.read import Reads
from bench.peers import emmett
from bench.peers.emmett import NodeAppends
from bench.peers.pgbench import Inserts
from bench.peers.plain import Transactions
from bench.peers.recorder import ThreadAppends
from bench.peers.selects import Selects
from bench.report import Row, Target, placed
from infra.settings import Settings

CALLERS = (1, 8, 32, 128, 512)
CLIENTS = (1, 8, 32, 64)  # with more than that it does less
AT_BEST = 32  # clients: of pgbench that writes a full row
IDLE_RATE = 100  # a second: each is answered long before the next is due
ROOM = 1_000  # bytes on the disk for each event of a log, its indexes and its share of the WAL
GROWTH_RATE = 500  # appends a second: a moderate load
# What is compared: title, contestant, the other one, the least ratio.
THROUGHPUT: tuple[tuple[str, str, str, float | None], ...] = (
    ("durable append, 1 caller", "formula 1", "pgbench 1", 0.6),
    ("durable append, 8 callers", "formula 8", "pgbench 8", 0.9),
    ("durable append, 32 callers", "formula 32", "pgbench 32", 1.0),
    ("durable append, 128 callers", "formula 128", "pgbench 32", 1.2),
    ("durable append, 512 callers", "formula 512", "pgbench 32", 1.4),
    ("128 callers beside pgbench at its best", "formula 128", "pgbench 64", None),
    ("two processes, 64 callers each", "formula 64 + 64", "formula 128", 0.9),
    ("load, decide, append, 128 callers", "execute 128", "formula 128", 0.6),
    ("beside the stock recorder", "formula 32", "eventsourcing 32", 15.0),
)


APPEND = "durable append, "
PAGE = 1_000  # events: what a tail of the log reads at once


def run(stage: Stage) -> list[Row]:
    sizes = (1_000, 10_000) if stage.quick else (10**4, 10**5, 10**6)
    stage.require_room(sum(sizes) * ROOM)
    rows = [*throughput(stage), *idle(stage), *order(stage)]
    logs = filled(stage, sizes)
    return [*rows, *reads(stage, logs), *growth(stage, logs)]


def throughput(stage: Stage) -> list[Row]:
    """Closed loops on one server: callers of Formula, its command path, and its peers."""
    window = Window(0.5, 0.2) if stage.quick else Window(2.0)
    skipped = emmett.install()
    contestants = [*_formulas(stage, window), *_peers(stage, window)]
    if skipped is None:
        node = stage.database("emmett").database_url
        contestants.append(contestant("emmett 128", NodeAppends(node, 128, window)))
    results = compete(contestants, rounds=1 if stage.quick else 3)
    rows = [
        results.row(
            title, "events/s", of, against=against, target=None if least is None else Target(least)
        )
        for title, of, against, least in THROUGHPUT
    ]
    rows = [over_callers(row) if row.name.startswith(APPEND) else row for row in rows]
    peers = [one.name for one in contestants if one.name.startswith(("pgbench", "eventsourcing"))]
    return [
        *rows,
        *_emmett(results, skipped),
        *(over_callers(results.row(one, "events/s", one)) for one in peers),
    ]


def over_callers(row: Row) -> Row:
    """A point of its contestant's line: names end with how many there were."""
    line, _, callers = row.name.removesuffix(" callers").removesuffix(" caller").rpartition(" ")
    return placed(row, "throughput over callers", line.removesuffix(","), float(callers))


def _formulas(stage: Stage, window: Window) -> list[Contestant]:
    """One database for all: what they write to is of one size."""
    log = stage.database("log")
    halves = (Appends(log, 64, window, 0, 5_000), Appends(log, 64, window, 5_000, 10_000))
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
        contestant(f"pgbench full row {AT_BEST}", Inserts(full, AT_BEST, window, full=True)),
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
    results = compete(contestants, rounds=1 if stage.quick else 3)
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
        results.row("tail: missed", "events", "tail", "missed", target=never),
        results.row("tail: twice", "events", "tail", "twice", target=never),
        results.row("tail: out of order", "events", "tail", "disordered", target=never),
        results.row("log: gaps in versions", "events", "tail", "torn", target=never),
    ]


def filled(stage: Stage, sizes: Sequence[int]) -> dict[int, Settings]:
    """A database with a log of each size."""
    logs = {events: stage.database(f"log_{events}") for events in sizes}
    for events, log in logs.items():
        start = time.monotonic()
        fill(log.database_url, events)
        say(f"{events:,} events loaded in {time.monotonic() - start:.1f} s")
    return logs


def reads(stage: Stage, logs: Mapping[int, Settings]) -> list[Row]:
    """The log from its beginning, in pages, by one reader."""
    log, events = (logs[10_000], 10_000) if stage.quick else (logs[10**6], 250_000)
    contestants = [
        contestant("read rows", Reads(log, events, PAGE, decoded=False)),
        contestant("read events", Reads(log, events, PAGE, decoded=True)),
        contestant("eventsourcing reads", Selects(log.database_url, events, PAGE)),
    ]
    results = compete(contestants, rounds=1 if stage.quick else 3)
    never = Target(most=0)
    return [
        results.row("read rows", "events/s", "read rows", target=Target(least=150_000)),
        results.row("read events", "events/s", "read events", target=Target(least=80_000)),
        results.row("eventsourcing reads", "events/s", "eventsourcing reads"),
        *(
            results.row(f"{of}: {fault}", "events", of, fault, target=never)
            for of in ("read rows", "read events")
            for fault in ("missed", "twice")
        ),
    ]


def growth(stage: Stage, logs: Mapping[int, Settings]) -> list[Row]:
    """What an append and its way to a tail cost as the log grows, at a fixed moderate rate."""
    window = Window(1.0) if stage.quick else Window(4.0, before_s=1.0)
    results = compete(
        [
            contestant(
                f"{events:,} events",
                Arrivals(log, GROWTH_RATE, window, tail=True, last=streams_of(events)),
            )
            for events, log in logs.items()
        ],
        rounds=1 if stage.quick else 3,
    )
    return [*grown(results, "append p99"), *grown(results, "tail p99")]


def grown(results: Results, metric: str) -> list[Row]:
    smallest, *others = results.samples
    rows = [results.row(f"{metric}, {smallest}", "ms", smallest, metric)]
    for size in others:
        target = Target(most=1.3) if size == others[-1] else None
        title = f"{metric}, {size}"
        rows.append(results.row(title, "ms", size, metric, against=smallest, target=target))
    sizes = [float(size.partition(" ")[0].replace(",", "")) for size in results.samples]
    return [
        placed(row, f"{metric} over events in the log", "formula", size)
        for row, size in zip(rows, sizes, strict=True)
    ]
