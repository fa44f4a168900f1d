"""Roll-ups: samples by the minute, hour and day, of all nodes together.

A round makes anew what may have changed since the last one: the span that runs, and as far back as
samples may have waited for Postgres. However often it is done, the rows are the same.
"""

from datetime import UTC, datetime, timedelta
from typing import LiteralString

import msgspec
from psycopg import sql

from infra.db import Connection
from infra.monitoring.partitions import DAYS, HOURS, MINUTES, SAMPLES, Table, make
from infra.monitoring.sampling import BACKLOG_S

LATE = timedelta(seconds=2 * BACKLOG_S)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

WRITE = """
INSERT INTO {into} (at, role, metric, labels, samples, sum, min, max, last, count, buckets)
{rows}
ON CONFLICT (metric, at, role, labels) DO UPDATE SET samples = excluded.samples,
    sum = excluded.sum, min = excluded.min, max = excluded.max, last = excluded.last,
    count = excluded.count, buckets = excluded.buckets
"""

OF_SAMPLES = """
SELECT at, role, metric, labels, sum(samples), sum(sum), min(min), max(max), sum(last),
    sum(count)::int8, formula_sum_buckets(buckets)
FROM (
    SELECT date_bin(%(step)s, at, 'epoch') AS at, node, role, metric, labels, count(*) AS samples,
        sum(value) AS sum, min(value) AS min, max(value) AS max,
        (array_agg(value ORDER BY s.at DESC))[1] AS last, sum(count)::int8 AS count,
        formula_sum_buckets(buckets) AS buckets
    FROM formula_samples s WHERE s.at >= %(start)s AND s.at < %(end)s
    GROUP BY 1, node, role, metric, labels
) of_nodes
GROUP BY at, role, metric, labels
"""

OF_ROLLUPS = """
SELECT date_bin(%(step)s, s.at, 'epoch') AS bin, role, metric, labels, sum(samples), sum(sum),
    min(min), max(max), (array_agg(last ORDER BY s.at DESC))[1], sum(count)::int8,
    formula_sum_buckets(buckets)
FROM {of} s WHERE s.at >= %(start)s AND s.at < %(end)s
GROUP BY bin, role, metric, labels
"""


class Level(msgspec.Struct, frozen=True):
    """Rows of `of` make those of `into`; `chunk`: so much in one transaction."""

    of: Table
    into: Table
    step: timedelta
    chunk: timedelta
    every_s: float
    rows: LiteralString


MINUTE = Level(SAMPLES, MINUTES, timedelta(minutes=1), timedelta(hours=1), 60.0, OF_SAMPLES)
HOUR = Level(MINUTES, HOURS, timedelta(hours=1), timedelta(days=1), 300.0, OF_ROLLUPS)
DAY = Level(HOURS, DAYS, timedelta(days=1), timedelta(days=30), 3_600.0, OF_ROLLUPS)
LEVELS = (MINUTE, HOUR, DAY)


async def roll(db: Connection, level: Level, now: datetime) -> int:
    """How many rows were written, again or for the first time."""
    await make(db, now)
    rows = sql.SQL(level.rows).format(of=sql.Identifier(level.of.name))
    write = sql.SQL(WRITE).format(into=sql.Identifier(level.into.name), rows=rows)
    written = 0
    start = await _start(db, level, now)
    while start is not None and start < now:
        values = {"step": level.step, "start": start, "end": start + level.chunk}
        written += (await db.execute(write, values)).rowcount
        start += level.chunk
    return written


async def _start(db: Connection, level: Level, now: datetime) -> datetime | None:
    """Where to begin. None: there is nothing yet."""
    newest = await _edge(db, "max", level.into)
    start = await _edge(db, "min", level.of) if newest is None else min(newest, now - LATE)
    return None if start is None else floor(start, level.step)


async def _edge(db: Connection, which: LiteralString, table: Table) -> datetime | None:
    """Every batch has this metric, so its rows are where any are; and they are few."""
    query = sql.SQL("SELECT {}(at) FROM {} WHERE metric = 'formula_up'").format(
        sql.SQL(which), sql.Identifier(table.name)
    )
    row = await (await db.execute(query)).fetchone()
    return row[0] if row else None


def floor(at: datetime, step: timedelta) -> datetime:
    """The latest multiple of `step` since 1970, in UTC."""
    return EPOCH + (at - EPOCH) // step * step
