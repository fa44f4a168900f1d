"""What was measured, asked of the samples of the last hours: for alerts, and as it is now."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import msgspec
from psycopg.rows import class_row

from infra.db import Connection
from infra.metrics import Kind
from infra.monitoring.figures import Figures, Sums, figures, kind_of
from infra.monitoring.spread import quantile

How: TypeAlias = Literal["avg", "max", "sum", "rate", "p50", "p95", "p99", "ratio"]

SHARES: dict[str, float] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
NOW_S = 60  # what is "now"
MOST = 2_000  # series

# `labels`: all that are asked for must be there, and others may be.
WINDOWS = """
SELECT found.*, up.samples AS up
FROM unnest(%(metrics)s::text[], %(roles)s::text[], %(labels)s::text[], %(over)s::float8[])
    WITH ORDINALITY q(metric, role, labels, over_s, place)
CROSS JOIN LATERAL (
    SELECT count(*) AS samples, avg(value) AS avg, max(value) AS max, sum(value) AS sum,
        sum(count)::int8 AS count, formula_sum_buckets(buckets) AS buckets
    FROM formula_samples s
    WHERE s.metric = q.metric AND s.at > %(now)s - make_interval(secs => q.over_s)
        AND s.at > %(oldest)s AND s.at <= %(now)s AND (q.role = '' OR s.role = q.role)
        AND NOT EXISTS (
            SELECT FROM unnest(string_to_array(q.labels, ',')) wanted
            WHERE position(',' || wanted || ',' IN ',' || s.labels || ',') = 0)
) found
CROSS JOIN LATERAL (
    SELECT count(*) AS samples FROM formula_samples s
    WHERE s.metric = 'formula_up' AND s.at > %(now)s - make_interval(secs => q.over_s)
        AND s.at > %(oldest)s AND s.at <= %(now)s AND (q.role = '' OR s.role = q.role)
) up
ORDER BY q.place
"""

NOW = """
SELECT role, metric, labels, count(DISTINCT node) AS nodes, count(*) AS samples,
    min(value) AS min, max(value) AS max, sum(value) AS sum, sum(count)::int8 AS count,
    formula_sum_buckets(buckets) AS buckets
FROM formula_samples WHERE at > %(now)s - make_interval(secs => %(over_s)s) AND at <= %(now)s
GROUP BY role, metric, labels ORDER BY metric, role, labels LIMIT %(most)s
"""


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A figure of the last `over_s` seconds, of all nodes together.

    `labels`: "status=5xx", or several by commas; series with these and any others count.
    avg and max: of what samples say; of a histogram, of what was observed. sum: what a counter
    rose by, or how many a histogram observed; rate: the same in a second. ratio: the sum as a
    share of that of `whole` (the same metric, unless it is named) with `whole_labels`, where that
    is at least `least`.
    """

    metric: str
    role: str = ""  # any
    labels: str = ""
    over_s: float = 60.0
    how: How = "avg"
    whole: str = ""
    whole_labels: str = ""
    least: float = 0.0


class _Found(msgspec.Struct, frozen=True):
    samples: int
    avg: float | None
    max: float | None
    sum: float | None
    count: int | None
    buckets: list[int] | None
    up: int

    @property
    def amount(self) -> float | None:
        """None: nobody has measured anything. Nought is not written."""
        if not self.samples:
            return 0.0 if self.up else None
        return float(self.sum or 0.0 if self.count is None else self.count)


async def windows(db: Connection, queries: Sequence[Query], now: datetime) -> list[float | None]:
    """An answer each, in one round trip. None: there is no data in the window."""
    asked = [*queries, *(_whole(one) for one in queries if one.how == "ratio")]
    values = {
        "metrics": [one.metric for one in asked],
        "roles": [one.role for one in asked],
        "labels": [one.labels for one in asked],
        "over": [float(one.over_s) for one in asked],
        "now": now,
        "oldest": now - timedelta(seconds=max((one.over_s for one in asked), default=0.0)),
    }
    async with db.cursor(row_factory=class_row(_Found)) as cursor:
        await cursor.execute(WINDOWS, values)
        found = await cursor.fetchall()
    wholes = iter(found[len(queries) :])
    return [
        _ratio(one, next(wholes), query.least) if query.how == "ratio" else _answer(query, one)
        for query, one in zip(queries, found, strict=False)
    ]


def _whole(query: Query) -> Query:
    """What a ratio is of."""
    return msgspec.structs.replace(
        query, metric=query.whole or query.metric, labels=query.whole_labels
    )


def _ratio(part: _Found, whole: _Found, least: float) -> float | None:
    if part.amount is None or not whole.amount or whole.amount < least:
        return None
    return part.amount / whole.amount


def _answer(query: Query, found: _Found) -> float | None:
    match query.how:
        case "sum":
            return found.amount
        case "rate":
            return None if found.amount is None else found.amount / query.over_s
        case "avg" if found.count:
            return (found.sum or 0.0) / found.count
        case "avg":
            return found.avg
        case "max" if found.buckets:
            return quantile(found.buckets, 1.0)
        case "max":
            return found.max
        case _:
            return quantile(found.buckets or (), SHARES[query.how])


class Series(msgspec.Struct, frozen=True):
    """A metric of a role with the same labels, of all its nodes in the last minute."""

    metric: str
    kind: Kind
    role: str
    labels: dict[str, str]
    nodes: int
    figures: Figures


class _Now(Sums, frozen=True, kw_only=True):
    role: str
    metric: str
    labels: str
    nodes: int


async def current(db: Connection, now: datetime) -> list[Series]:
    """Everything that is measured, by metric, role and labels."""
    async with db.cursor(row_factory=class_row(_Now)) as cursor:
        await cursor.execute(NOW, {"now": now, "over_s": NOW_S, "most": MOST})
        return [_series(one) for one in await cursor.fetchall()]


def _series(one: _Now) -> Series:
    return Series(
        one.metric,
        kind_of(one.metric, one.buckets),
        one.role,
        dict(part.split("=", 1) for part in one.labels.split(",") if part),
        one.nodes,
        figures(one.metric, one, NOW_S),
    )
