"""How a metric went over time, step by step, beside the period of the same length before it."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from psycopg import sql
from psycopg.rows import class_row

from domain.errors import Invalid
from infra.db import Connection
from infra.metrics import Kind
from infra.monitoring.figures import Change, Figures, Sums, change, figures, kind_of, together
from infra.monitoring.partitions import DAYS, HOURS, MINUTES, SAMPLES, Table
from infra.monitoring.rolling import floor

MOST = 1_000  # points of a period
USUAL = 120  # at most, where no step is named
RESOLUTION = timedelta(microseconds=1)
STEPS = tuple(timedelta(seconds=one) for one in (10, 60, 300, 900, 3_600, 21_600, 86_400, 604_800))
LONGEST = timedelta(days=366)  # step

WRITTEN = re.compile(r"([0-9]{1,6})([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

ROLLED = sql.SQL("samples, sum, min, max, count, buckets")
RAW = sql.SQL("1::int8, value, value, value, count, buckets")

QUERY = sql.SQL("""
SELECT date_bin(%(step)s, at, 'epoch') AS at, sum(samples)::int8 AS samples, sum(sum) AS sum,
    min(min) AS min, max(max) AS max, sum(count)::int8 AS count,
    formula_sum_buckets(buckets) AS buckets
FROM (
    SELECT at, {columns} FROM {table} s
    WHERE metric = %(metric)s AND at >= %(start)s AND at < %(end)s
        AND (%(role)s = '' OR role = %(role)s)
        AND NOT EXISTS (
            SELECT FROM unnest(string_to_array(%(labels)s, ',')) wanted
            WHERE position(',' || wanted || ',' IN ',' || s.labels || ',') = 0)
) found (at, samples, sum, min, max, count, buckets)
GROUP BY 1 ORDER BY 1
""")


class Wanted(msgspec.Struct, frozen=True):
    """`start` and `end` are whole steps; role and labels as in history.Query."""

    metric: str
    start: datetime
    end: datetime
    step: timedelta
    role: str = ""
    labels: str = ""

    @property
    def table(self) -> Table:
        return table_of(self.step)


class Point(msgspec.Struct, frozen=True):
    at: datetime
    figures: Figures


class Period(msgspec.Struct, frozen=True):
    """A step in which nothing was measured has no point. `total` is of the whole period."""

    start: datetime
    end: datetime
    total: Figures | None
    points: list[Point]


class Trend(msgspec.Struct, frozen=True):
    metric: str
    kind: Kind
    step_s: int
    current: Period
    previous: Period
    change: Change


class _Row(Sums, frozen=True, kw_only=True):
    at: datetime


def parsed(step: str | None) -> timedelta | None:
    """Of a step as people write it: 10s, 5m, 1h, 1d. Raises Invalid."""
    if step is None:
        return None
    found = WRITTEN.fullmatch(step)
    if found is None:
        raise Invalid("trend.bad_step", example="5m")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def table_of(step: timedelta) -> Table:
    """The coarsest whose rows make such steps."""
    if not step % timedelta(days=1):
        return DAYS
    if not step % timedelta(hours=1):
        return HOURS
    return SAMPLES if step % timedelta(minutes=1) else MINUTES


def wanted(
    metric: str,
    start: datetime | None,
    end: datetime | None,
    step: timedelta | None,
    now: datetime,
) -> Wanted:
    """Whole steps: the last hour, unless a period is named. Raises Invalid."""
    if any(one is not None and one.tzinfo is None for one in (start, end)):
        raise Invalid("trend.no_time_zone")
    oldest = now - DAYS.kept
    end = now if end is None else max(min(end, now), oldest)
    start = max(end - timedelta(hours=1) if start is None else start, oldest)
    if start >= end:
        raise Invalid("trend.no_period", start=start.isoformat(), end=end.isoformat())
    step = _usual(start, end, now) if step is None else step
    if not step or step > LONGEST or step % STEPS[0]:
        raise Invalid("trend.bad_step", multiple_of_s=_seconds(STEPS[0]))
    first, last = floor(start, step), floor(end - RESOLUTION, step) + step
    if (last - first) // step > MOST:
        raise Invalid("trend.too_many_points", points=(last - first) // step, most=MOST)
    if not _kept(step, first, now):
        raise Invalid("trend.too_fine", kept_s=_seconds(table_of(step).kept))
    return Wanted(metric, first, last, step)


def _usual(start: datetime, end: datetime, now: datetime) -> timedelta:
    fit = (one for one in STEPS if (end - start) / one <= USUAL and _kept(one, start, now))
    return next(fit, STEPS[-1])


def _kept(step: timedelta, since: datetime, now: datetime) -> bool:
    """Whether rows for such steps are kept for so long. Those of days: longer than any others."""
    table = table_of(step)
    return table is DAYS or now - since <= table.kept


async def trend(db: Connection, asked: Wanted, now: datetime) -> Trend:
    span = asked.end - asked.start
    before = asked.start - span
    if not _kept(asked.step, before, now):
        before = asked.start  # half of a period is nothing to compare with
    rows = await _rows(db, asked, before)
    kind = kind_of(asked.metric, next((one.buckets for one in rows if one.buckets), None))
    current = _period(asked, [one for one in rows if one.at >= asked.start], asked.start, now)
    past = [one for one in rows if one.at < asked.start]
    previous = _period(asked, past, asked.start - span, now)
    return Trend(
        asked.metric,
        kind,
        _seconds(asked.step),
        current,
        previous,
        change(current.total, previous.total),
    )


async def _rows(db: Connection, asked: Wanted, since: datetime) -> list[_Row]:
    table = asked.table
    query = QUERY.format(
        columns=RAW if table is SAMPLES else ROLLED, table=sql.Identifier(table.name)
    )
    values = {
        "metric": asked.metric,
        "role": asked.role,
        "labels": asked.labels,
        "step": asked.step,
        "start": since,
        "end": asked.end,
    }
    async with db.cursor(row_factory=class_row(_Row)) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()


def _period(asked: Wanted, rows: Sequence[_Row], start: datetime, now: datetime) -> Period:
    end = start + (asked.end - asked.start)

    def passed(since: datetime, until: datetime) -> float:
        """The step that runs is as long as it has run."""
        return max((min(until, now) - since).total_seconds(), RESOLUTION.total_seconds())

    points = [
        Point(one.at, figures(asked.metric, one, passed(one.at, one.at + asked.step)))
        for one in rows
    ]
    whole = together(rows)
    total = whole and figures(asked.metric, whole, passed(start, end))
    return Period(start, end, total, points)


def _seconds(step: timedelta) -> int:
    return int(step.total_seconds())
