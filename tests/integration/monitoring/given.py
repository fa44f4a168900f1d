"""Samples as processes would have written them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from infra.db import Connection
from infra.monitoring.partitions import make
from infra.monitoring.samples import Batch, Sample, write

NOW = datetime(2026, 5, 17, 12, 30, tzinfo=UTC)
A, B = UUID(int=1), UUID(int=2)


async def sampled(
    db: Connection, *samples: Sample, ago_s: float = 0.0, node: UUID = A, role: str = "api"
) -> None:
    """A batch of one process."""
    await make(db, NOW)
    await write(db, node, Batch(NOW - timedelta(seconds=ago_s), role, list(samples)))


def seconds(labels: str, *buckets: int, total: float = 1.0) -> Sample:
    """Of formula_http_seconds: how many in the first buckets."""
    full = [*buckets, *[0] * (17 - len(buckets))]
    return Sample("formula_http_seconds", labels, total, sum(full), full)


async def rows(db: Connection, table: str) -> list[tuple[object, ...]]:
    query = f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5"  # noqa: S608, our own table
    return list(await (await db.execute(query.encode())).fetchall())


def metrics_of(found: Iterable[tuple[object, ...]], place: int) -> set[object]:
    return {row[place] for row in found}
