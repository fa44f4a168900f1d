"""guard: by its name only: a few ratios in two minutes, for before and after a change.

Each is beside a reference of the same run, in many short rounds by turns; two runs are compared
by python -m bench compare.
"""

from statistics import median

import msgspec

from bench.append import filled
from bench.contestant import contestant
from bench.harness import Results, Stage, compete
from bench.load.append import Appends
from bench.load.drain import Drain
from bench.load.execute import Commands
from bench.load.loops import Window
from bench.load.project import Projects
from bench.load.read import Reads
from bench.peers.pgbench import Inserts
from bench.peers.selects import Selects
from bench.peers.taskiq_stock import StockJobs
from bench.report import Row
from infra.settings import Settings

EVENTS, SHOWN = 100_000, 50_000  # of the log; of those, what a group shows
PAGE = 1_000
JOBS = 3_000
CONCURRENCY = 50


def run(stage: Stage) -> list[Row]:
    events, shown = (5_000, 5_000) if stage.quick else (EVENTS, SHOWN)
    log = filled(stage, (events,))[events]
    return [
        *appends(stage),
        *reads(stage, log, events, shown),
        *jobs(stage),
    ]


def appends(stage: Stage) -> list[Row]:
    """The disk is in it, and no disk is steady: more and longer rounds."""
    window, log = Window(0.9, 0.3), stage.database("log")
    own, command, reference = "formula 128", "execute 128", "pgbench full row 32"
    full = stage.database("full").database_url
    contestants = (
        contestant(own, Appends(log, 128, window)),
        contestant(command, Commands(log, 128, window)),
        contestant(reference, Inserts(full, 32, window, full=True)),
    )
    results = compete(contestants, rounds=1 if stage.quick else 7)
    return [
        _row(results, "durable append, 128 callers", "events/s", own, reference),
        _row(results, "load, decide, append, 128 callers", "events/s", command, own),
        results.row(reference, "events/s", reference),
    ]


def reads(stage: Stage, log: Settings, events: int, shown: int) -> list[Row]:
    """All three decode the same log; the library's reads change with none of our commits."""
    own, live, reference = "read events", "live", "eventsourcing reads"
    contestants = (
        contestant(own, Reads(log, events, PAGE, decoded=True)),
        contestant(live, Projects(log, live, shown)),
        contestant(reference, Selects(log.database_url, events, PAGE)),
    )
    results = compete(contestants, rounds=1 if stage.quick else 6)
    return [
        _row(results, own, "events/s", own, reference),
        _row(results, f"group {live}", "events/s", live, reference),
        results.row(reference, "events/s", reference),
    ]


def jobs(stage: Stage) -> list[Row]:
    count, own, reference = 300 if stage.quick else JOBS, "formula", "stock taskiq-redis"
    stock = StockJobs(stage.servers.redis_url, "drain", count, CONCURRENCY)
    contestants = (
        contestant(own, Drain(stage.database("drain"), count, CONCURRENCY)),
        contestant(reference, stock),
    )
    results = compete(contestants, rounds=1 if stage.quick else 5)
    title = f"no-op jobs, {CONCURRENCY} at a time"
    return [
        _row(results, title, "jobs/s", own, reference),
        results.row(reference, "jobs/s", reference),
    ]


def _row(results: Results, title: str, unit: str, own: str, reference: str) -> Row:
    """The median of the rounds' ratios: a round in which one side had bad luck is but one."""
    row = results.row(title, unit, own, against=reference)
    ratios = results.ratios(own, reference, "per_s")
    return msgspec.structs.replace(row, ratio=round(median(ratios), 3) if ratios else None)
