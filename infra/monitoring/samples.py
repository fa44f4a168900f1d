"""Samples: rows of what a process measured, each with what came since the one before."""

from collections.abc import Iterable
from datetime import datetime
from math import isfinite
from uuid import UUID

import msgspec

from infra.db import Connection
from infra.metrics import Family, Kind, Labels, Point

UP = "formula_up"  # in every batch: a window without it has no data

_CANONICAL = str.maketrans({",": "_", "=": "_", "\0": None})


class Sample(msgspec.Struct, frozen=True):
    """Of a histogram `value` is the sum."""

    metric: str
    labels: str
    value: float
    count: int | None = None
    buckets: list[int] | None = None


class Batch(msgspec.Struct, frozen=True):
    at: datetime
    role: str
    samples: list[Sample]


def canonical(labels: Labels) -> str:
    """As they are stored: "a=b,c=d", by name."""
    return ",".join(f"{name}={value.translate(_CANONICAL)}" for name, value in sorted(labels))


class Increases:
    """Turns readings into samples: gauges as they are, of all else what came since the last one.

    `begun`: what it reads first has counted from nought with this process. Else it is of a server
    that was there before, and its first figures are nobody's.
    """

    def __init__(self, *, begun: bool) -> None:
        self._last: dict[tuple[str, str], Point] = {}
        self._begun = begun

    def take(self, families: Iterable[Family]) -> list[Sample]:
        """What did not rise is left out."""
        samples: list[Sample] = []
        for family in families:
            for point in family.points:
                sample = self._sample(family, point)
                if sample is not None and isfinite(sample.value):
                    samples.append(sample)
        return samples

    def _sample(self, family: Family, point: Point) -> Sample | None:
        labels = canonical(point.labels)
        if family.kind is Kind.GAUGE:
            return Sample(family.name, labels, point.value)
        key = (family.name, labels)
        last = self._last.get(key, Point((), 0.0) if self._begun else point)
        self._last[key] = point
        if family.kind is Kind.COUNTER:
            rose = point.value - last.value
            # Below what it was: the server began anew, and so from nought.
            value = rose if rose >= 0 else point.value
            return Sample(family.name, labels, value) if value else None
        if not last.counts:
            last = Point((), 0.0, (0,) * len(point.counts))
        buckets = [now - then for now, then in zip(point.counts, last.counts, strict=True)]
        count = sum(buckets)
        value = point.value - last.value
        return Sample(family.name, labels, value, count, buckets) if count else None


# One statement. Whose answer was lost is sent again: the batch is there, or it is not.
WRITE = """
INSERT INTO formula_samples (at, node, role, metric, labels, value, count, buckets)
SELECT %(at)s, %(node)s, %(role)s, s.metric, s.labels, s.value, s.count, s.buckets
FROM json_to_recordset(%(samples)s::json)
    AS s(metric text, labels text, value float8, count int8, buckets int8[])
WHERE NOT EXISTS (
    SELECT FROM formula_samples
    WHERE metric = 'formula_up' AND at = %(at)s AND node = %(node)s AND role = %(role)s)
"""


async def write(db: Connection, node: UUID, batch: Batch) -> None:
    """Raises psycopg.errors.CheckViolation where the day has no partition."""
    rows = [Sample(UP, "", 1.0), *batch.samples]
    values = {
        "at": batch.at,
        "node": node,
        "role": batch.role,
        "samples": msgspec.json.encode(rows).decode(),
    }
    await db.execute(WRITE, values)
