"""A report for operators: how the system did in the last hours, and how it is now."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec

from domain.job_args import QueueName, ReportFormat, ReportPerformance
from infra.jobs.stats import QueueStats, stats
from infra.nodes import Node, nodes
from projections.rows import fetch_all
from workers.model import REPORTS, Context, Job
from workers.reports.making import (
    TIMEOUT_S,
    Made,
    Moment,
    hand_over,
    keep_paper,
    keep_sheet,
    moment,
    owner,
)
from workers.reports.model import Chart, Column, Figure, Listing, Report, Series
from workers.reports.sheets import Row

RATES = """
SELECT h.hour, coalesce(a.events, 0) AS events
FROM generate_series(date_trunc('hour', %(since)s::timestamptz, 'UTC'), %(at)s::timestamptz,
    interval '1 hour') h(hour)
LEFT JOIN (
    SELECT date_trunc('hour', at, 'UTC') AS hour, count(*) AS events
    FROM audit WHERE at >= %(since)s AND at <= %(at)s GROUP BY 1
) a USING (hour) ORDER BY h.hour
"""
BEHIND = """
SELECT name, position, greatest(coalesce((SELECT max(notification_id) FROM formula_events), 0)
    - position, 0) AS behind
FROM formula_checkpoints ORDER BY name LIMIT 1000
"""
JOBS = """
SELECT date_trunc('hour', finished_at, 'UTC') AS hour, count(*) FILTER (WHERE state = 'done')
    AS done, count(*) FILTER (WHERE state = 'dead') AS dead
FROM formula_jobs WHERE finished_at >= %(since)s AND finished_at <= %(at)s
GROUP BY 1 ORDER BY 1
"""
COLUMNS = ("part", "name", "measure", "value")
TIMES = ("wait_p50_ms", "wait_p99_ms", "run_p50_ms", "run_p99_ms")


class Hour(msgspec.Struct, frozen=True):
    """Durable events; in the first and the last hour only those within the span."""

    hour: datetime
    events: int


class Behind(msgspec.Struct, frozen=True):
    """A consumer of the log. `behind`: positions that it has yet to see."""

    name: str
    position: int
    behind: int


class Ended(msgspec.Struct, frozen=True):
    hour: datetime
    done: int
    dead: int


class Measured(msgspec.Struct, frozen=True):
    hours: list[Hour]
    ended: list[Ended]
    queues: list[QueueStats]
    consumers: list[Behind]
    nodes: list[Node]


async def run(context: Context, args: ReportPerformance) -> Made:
    user = await owner(context, args)
    found = await nodes(context.runtime)
    async with moment(context.runtime, "audit") as now:
        measured = await _measured(now, args.hours, found)
    name = f"performance {now.at:%Y-%m-%d %H.%M}"
    if args.format is ReportFormat.CSV:
        made = await keep_sheet(context, name, COLUMNS, _rows(measured))
    else:
        hours = Figure("Hours", f"the last {args.hours}")
        about = (hours, Figure("Asked for by", user.name))
        made = await keep_paper(context, name, _report(now, measured, about))
    return await hand_over(context, made, "How the system did")


async def _measured(now: Moment, hours: int, found: list[Node]) -> Measured:
    span = {"since": now.at - timedelta(hours=hours), "at": now.at}
    return Measured(
        await fetch_all(now.db, Hour, RATES, span),
        await fetch_all(now.db, Ended, JOBS, span),
        await stats(now.db, [name.value for name in QueueName]),
        await fetch_all(now.db, Behind, BEHIND, {}),
        found,
    )


async def _rows(measured: Measured) -> AsyncIterator[list[Row]]:
    """A measure a row."""
    yield [("log", one.hour, "events", one.events) for one in measured.hours]
    yield [("jobs", one.hour, "done", one.done) for one in measured.ended]
    yield [("jobs", one.hour, "dead", one.dead) for one in measured.ended]
    for queue in measured.queues:
        measures = msgspec.structs.asdict(queue).items()
        yield [("queue", queue.queue, name, value) for name, value in measures if name != "queue"]
    yield [("consumer", one.name, "behind", one.behind) for one in measured.consumers]
    yield [("process", f"{one.role} {one.name} {one.pid}", "state", _state(one))
           for one in measured.nodes]  # fmt: skip


def _report(now: Moment, measured: Measured, about: tuple[Figure, ...]) -> Report:
    events = sum(one.events for one in measured.hours)
    done, dead = (sum(getattr(one, n) for one in measured.ended) for n in ("done", "dead"))
    most = max((one.behind for one in measured.consumers), default=0)
    return Report(
        title="How the system did",
        about=about,
        position=now.position,
        made_at=now.at,
        figures=(
            Figure("Events stored", str(events)),
            Figure("In the busiest hour", str(max((h.events for h in measured.hours), default=0))),
            Figure("Jobs done", str(done)),
            Figure("Jobs dead", str(dead)),
            Figure("Furthest behind, positions", str(most)),
            Figure("Processes", str(sum(one.alive for one in measured.nodes))),
        ),
        charts=(_chart(measured.hours),),
        listings=(
            _queues(measured.queues),
            _consumers(measured.consumers),
            _processes(measured.nodes),
        ),
    )


def _chart(hours: list[Hour]) -> Chart:
    labels = tuple(f"{one.hour.astimezone(UTC):%d. %H:00}" for one in hours)
    values = tuple(float(one.events) for one in hours)
    return Chart("Events, by hour (UTC)", "bars", labels, (Series("events", values),))


def _queues(queues: list[QueueStats]) -> Listing:
    names = ("Waiting", "Running", "Dead", "Wait p50, ms", "p99", "Run p50, ms", "p99")
    return Listing(
        "Queues now, with the times of their newest 1,000 jobs",
        (Column("Queue", 20), *(Column(name, 11, "right") for name in names)),
        tuple(
            (
                one.queue,
                str(one.waiting),
                str(one.active),
                str(one.dead),
                *(_ms(getattr(one, name)) for name in TIMES),
            )
            for one in queues
        ),
    )


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _consumers(consumers: list[Behind]) -> Listing:
    return Listing(
        "How far the log's consumers are",
        (Column("Consumer", 50), Column("Position", 25, "right"), Column("Behind", 25, "right")),
        tuple((one.name, str(one.position), str(one.behind)) for one in consumers),
    )


def _processes(found: list[Node]) -> Listing:
    return Listing(
        "Processes",
        (Column("Role", 20), Column("Host", 35), Column("State", 20), Column("Since (UTC)", 25)),
        tuple(
            (one.role, one.name, _state(one), f"{one.started_at.astimezone(UTC):%Y-%m-%d %H:%M}")
            for one in found
        ),
    )


def _state(node: Node) -> str:
    return node.state if node.alive else "gone"


JOB = Job("report_performance", REPORTS, ReportPerformance, run, timeout_s=TIMEOUT_S)
