"""jobs: queues beside BullMQ on Redis and Postgres and stock taskiq: rates, delays, takeover."""

import msgspec
from msgspec import UNSET

from bench.contestant import Contestant, contestant
from bench.harness import Results, Stage, at_once, compete
from bench.load.announced import Announced
from bench.load.drain import Drain
from bench.load.enqueue import Enqueue
from bench.load.loops import Window
from bench.load.pickup import Pickup
from bench.load.takeover import Takeover
from bench.peers import bullmq
from bench.peers.bullmq import NodeJobs
from bench.peers.taskiq_stock import StockJobs
from bench.report import Row, Target

MINE = "formula"
ON_REDIS, ON_POSTGRES, STOCK = "bullmq on redis", "bullmq on postgres", "stock taskiq-redis"
CONCURRENCY = 50
RATE = 200  # jobs a second


class Field(msgspec.Struct, frozen=True):
    """Who plays; without Node, BullMQ does not and it is said why."""

    stage: Stage
    skipped: str | None

    def scaled(self, full: int, quick: int) -> int:
        return quick if self.stage.quick else full

    def rounds(self, full: int) -> int:
        return 1 if self.stage.quick else full

    def node(self, part: str, database: str, **given: object) -> list[Contestant]:
        """BullMQ on both of its backends."""
        if self.skipped is not None:
            return []
        urls = {
            ON_REDIS: self.stage.servers.redis_url,
            ON_POSTGRES: self.stage.database(database).database_url,
        }
        made = {
            name: msgspec.convert({"url": url, "part": part, **given}, NodeJobs)
            for name, url in urls.items()
        }
        return [contestant(name, load) for name, load in made.items()]


def run(stage: Stage) -> list[Row]:
    field = Field(stage, bullmq.install())
    return [
        *drain(field),
        *enqueue(field),
        *pickup(field),
        *takeover(field),
        *announcements(field),
        *([] if field.skipped is None else [_absent(field.skipped)]),
    ]


def drain(field: Field) -> list[Row]:
    """Closed: all jobs are there. Formula's and BullMQ's on Postgres are durable rows."""
    jobs = field.scaled(5_000, 500)
    stock = StockJobs(field.stage.servers.redis_url, "drain", jobs, CONCURRENCY)
    contestants = [
        contestant(MINE, Drain(field.stage.database("drain"), jobs, CONCURRENCY)),
        contestant(STOCK, stock),
        *field.node("drain", "node_drain", jobs=jobs, concurrency=CONCURRENCY),
    ]
    results = compete(contestants, field.rounds(3))
    title, unit = f"no-op jobs, {CONCURRENCY} at a time", "jobs/s"
    return [
        _row(results, title, unit, MINE, against=ON_POSTGRES, target=Target(least=1.5)),
        _row(results, f"{title}, to stock", unit, MINE, against=STOCK, target=Target(least=1.0)),
        _row(results, f"{title}, to redis", unit, MINE, against=ON_REDIS),
        *_others(results, title, unit),
    ]


def enqueue(field: Field) -> list[Row]:
    """Formula's from events that are in the log, BullMQ's by its addBulk."""
    jobs = field.scaled(20_000, 500)
    contestants = [
        contestant(MINE, Enqueue(field.stage.database("enqueue"), jobs)),
        *field.node("enqueue", "node_enqueue", jobs=jobs),
    ]
    results = compete(contestants, field.rounds(3))
    title, unit = "jobs made", "jobs/s"
    mine = _row(results, f"{title} of events", unit, MINE, target=Target(least=10_000))
    return [mine, *_others(results, title, unit)]


def pickup(field: Field) -> list[Row]:
    """Open loop; Formula's from the command's commit, the others' from their add; and all of them
    from when they were due, the commit or the add included.
    """
    window = Window(0.5, 0.2) if field.stage.quick else Window(5.0, 1.0)
    stock = StockJobs(field.stage.servers.redis_url, "pickup", rate=RATE, window=window)
    given = msgspec.to_builtins({"rate": RATE, "window": window})
    contestants = [
        contestant(MINE, Pickup(field.stage.database("pickup"), RATE, window)),
        contestant(STOCK, stock),
        *field.node("pickup", "node_pickup", **given),
    ]
    results = compete(contestants, field.rounds(3))
    rows: list[Row] = []
    for metric, most in (("pickup p50", 8.0), ("pickup p99", 30.0)):
        title = f"{RATE} jobs/s, {metric}"
        rows.append(_row(results, title, "ms", MINE, metric, target=Target(most=most)))
        rows += _others(results, title, "ms", metric)
    for metric in ("due p50", "due p99"):
        title = f"{RATE} jobs/s, since {metric.replace(' ', ', ')}"
        rows += [_row(results, title, "ms", MINE, metric), *_others(results, title, "ms", metric)]
    return rows


def takeover(field: Field) -> list[Row]:
    """Everything as it is by default: nearly all of it is waiting."""
    load = Takeover(field.stage.database("takeover"), field.scaled(66, 3))
    others = [] if field.stage.quick else field.node("takeover", "node_takeover", jobs=5)
    results = at_once([contestant(MINE, load), *others])
    title = "a killed worker's jobs run again after"
    return [
        _row(results, title, "s", MINE, "seconds", target=Target(most=5.0)),
        _row(
            results,
            f"a job of {load.long_s} s beside it is started",
            "times",
            MINE,
            "started",
            target=Target(least=1, most=1),
        ),
        *_others(results, title, "s", "seconds"),
    ]


def announcements(field: Field) -> list[Row]:
    """To everybody, until everybody is shown them."""
    people, times = (100, 5) if field.stage.quick else (1_000, 100)
    load = Announced(field.stage.database("announced"), people, times)
    results = compete([contestant(MINE, load)], rounds=1)
    title, least = f"announcements, {times} to {people:,}", Target(least=2_000)
    return [
        _row(results, title, "notifications/s", MINE, target=least),
        *(
            _row(results, f"{title}, {name} for 10,000", "CPU s", MINE, f"{name} s")
            for name in ("worker", "projector")
        ),
        _row(results, f"{title}, memory of the worker", "MB", MINE, "worker MB"),
    ]


def _others(results: Results, title: str, unit: str, metric: str = "per_s") -> list[Row]:
    return [
        _row(results, f"{name}, {title}", unit, name, metric)
        for name in results.samples
        if name != MINE
    ]


def _row(
    results: Results,
    title: str,
    unit: str,
    of: str,
    metric: str = "per_s",
    *,
    against: str | None = None,
    target: Target | None = None,
) -> Row:
    """Without the other there is no ratio to judge."""
    if against is not None and against not in results.samples:
        return results.row(title, unit, of, metric)
    return results.row(title, unit, of, metric, against=against, target=target)


def _absent(why: str) -> Row:
    return Row(name="bullmq", value=None, unit="", note=f"skipped: {why}", target=UNSET)
