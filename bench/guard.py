"""guard: by its name only: in three minutes, ratios that hold still from one run to the next.

Few, each beside a reference of the same run, in many short rounds by turns: what a reviewer
compares before and after a change (python -m bench compare).
"""

from bench.append import filled
from bench.contestant import Contestant, contestant
from bench.harness import Results, Stage, compete
from bench.load.append import Appends
from bench.load.drain import Drain
from bench.load.execute import Commands
from bench.load.loops import Window
from bench.load.project import Projects
from bench.load.read import Reads
from bench.peers.pgbench import Inserts
from bench.peers.runner import Runs
from bench.peers.selects import Selects
from bench.peers.taskiq_stock import StockJobs
from bench.report import Row
from infra.settings import Settings

EVENTS = 50_000
PAGE = 1_000
JOBS = 3_000
CONCURRENCY = 50


def run(stage: Stage) -> list[Row]:
    events = 5_000 if stage.quick else EVENTS
    log = filled(stage, (events,))[events]
    return [
        *appends(stage),
        *reads(stage, log, events),
        *projected(stage, log, events),
        *jobs(stage),
    ]


def appends(stage: Stage) -> list[Row]:
    window, log = Window(0.6, 0.3), stage.database("log")
    own, command, reference = "formula 128", "execute 128", "pgbench full row 32"
    full = stage.database("full").database_url
    results = _by_turns(
        stage,
        contestant(own, Appends(log, 128, window)),
        contestant(command, Commands(log, 128, window)),
        contestant(reference, Inserts(full, 32, window, full=True)),
    )
    return [
        results.row("durable append, 128 callers", "events/s", own, against=reference),
        results.row("load, decide, append, 128 callers", "events/s", command, against=own),
        results.row(reference, "events/s", reference),
    ]


def reads(stage: Stage, log: Settings, events: int) -> list[Row]:
    own, reference = "read events", "eventsourcing reads"
    results = _by_turns(
        stage,
        contestant(own, Reads(log, events, PAGE, decoded=True)),
        contestant(reference, Selects(log.database_url, events, PAGE)),
    )
    return _pair(results, own, "events/s", own, reference)


def projected(stage: Stage, log: Settings, events: int) -> list[Row]:
    own, reference = "live", "ProjectionRunner"
    results = _by_turns(
        stage,
        contestant(own, Projects(log, own, events)),
        contestant(reference, Runs(log.database_url, 1.0)),
    )
    return _pair(results, "group live", "events/s", own, reference)


def jobs(stage: Stage) -> list[Row]:
    count, own, reference = 300 if stage.quick else JOBS, "formula", "stock taskiq-redis"
    stock = StockJobs(stage.servers.redis_url, "drain", count, CONCURRENCY)
    results = _by_turns(
        stage,
        contestant(own, Drain(stage.database("drain"), count, CONCURRENCY)),
        contestant(reference, stock),
    )
    return _pair(results, f"no-op jobs, {CONCURRENCY} at a time", "jobs/s", own, reference)


def _by_turns(stage: Stage, *contestants: Contestant) -> Results:
    return compete(contestants, rounds=1 if stage.quick else 5)


def _pair(results: Results, title: str, unit: str, own: str, reference: str) -> list[Row]:
    return [
        results.row(title, unit, own, against=reference),
        results.row(reference, unit, reference),
    ]
