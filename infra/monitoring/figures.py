"""What rows of samples or roll-ups say in figures that people read."""

from collections.abc import Iterable, Sequence

import msgspec

from infra.metrics import Kind
from infra.monitoring.spread import quantile


class Sums(msgspec.Struct, frozen=True):
    """Samples added up, of any nodes and times: as a row of roll-ups has them."""

    samples: int
    sum: float
    min: float
    max: float
    count: int | None
    buckets: list[int] | None


class Figures(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of a gauge: avg, min, max of its samples. Of a counter: what it rose by, in all and a second.

    Of a histogram: how many were observed, in all and a second; their average and percentiles.
    """

    samples: int
    avg: float | None = None
    min: float | None = None
    max: float | None = None
    count: float | None = None
    per_s: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """By which share a figure is above the one before: 0.5 is half as much again."""

    avg: float | None = None
    max: float | None = None
    per_s: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


def kind_of(metric: str, buckets: Sequence[int] | None) -> Kind:
    """By what Prometheus calls a counter."""
    if buckets:
        return Kind.HISTOGRAM
    return Kind.COUNTER if metric.endswith("_total") else Kind.GAUGE


def figures(metric: str, sums: Sums, seconds: float) -> Figures:
    match kind_of(metric, sums.buckets):
        case Kind.GAUGE:
            return Figures(sums.samples, sums.sum / sums.samples, sums.min, sums.max)
        case Kind.COUNTER:
            return Figures(sums.samples, count=sums.sum, per_s=sums.sum / seconds)
        case Kind.HISTOGRAM:
            count, buckets = sums.count or 0, sums.buckets or ()
            return Figures(
                sums.samples,
                avg=sums.sum / count if count else None,
                count=count,
                per_s=count / seconds,
                p50=quantile(buckets, 0.5),
                p95=quantile(buckets, 0.95),
                p99=quantile(buckets, 0.99),
            )


def together(rows: Iterable[Sums]) -> Sums | None:
    """None: there are none."""
    some = list(rows)
    if not some:
        return None
    buckets = [one.buckets for one in some if one.buckets]
    counts = [one.count for one in some if one.count is not None]
    return Sums(
        sum(one.samples for one in some),
        sum(one.sum for one in some),
        min(one.min for one in some),
        max(one.max for one in some),
        sum(counts) if counts else None,
        [sum(column) for column in zip(*buckets, strict=True)] or None,
    )


def change(now: Figures | None, before: Figures | None) -> Change:
    """Empty where there is nothing to compare with."""
    if now is None or before is None:
        return Change()
    return Change(
        **{
            name: _above(getattr(now, name), getattr(before, name))
            for name in Change.__struct_fields__
        }
    )


def _above(now: float | None, before: float | None) -> float | None:
    return round(now / before - 1.0, 4) if now is not None and before else None
