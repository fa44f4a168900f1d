"""Metrics: plain numbers that code adds to, and their text for Prometheus (format 0.0.4).

Not `prometheus_client`: its counters take a lock each and are the process's own, ours belong to
one event loop, are passed in, and cost an addition where a frame goes to a thousand sockets.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias, assert_never

import msgspec

Labels: TypeAlias = tuple[tuple[str, str], ...]  # name and value

CONTENT_TYPE = "text/plain; version=0.0.4"  # in UTF-8


class Counter(msgspec.Struct):
    """Only rises: `counter.value += 1`."""

    name: str
    about: str
    value: int = 0


class Counters(msgspec.Struct):
    """A counter for each value of a label, of which there are few."""

    name: str
    about: str
    label: str
    values: dict[str, int] = {}

    def add(self, which: str, count: int = 1) -> None:
        self.values[which] = self.values.get(which, 0) + count

    @property
    def total(self) -> int:
        return sum(self.values.values())


class Gauge(msgspec.Struct):
    """How much there is when somebody looks."""

    name: str
    about: str
    read: Callable[[], float]


class Gauges(msgspec.Struct):
    """The same with labels."""

    name: str
    about: str
    values: Mapping[Labels, float]


class Totals(msgspec.Struct):
    """Counters with labels."""

    name: str
    about: str
    values: Mapping[Labels, float]


class Histogram(msgspec.Struct):
    """How often a value was at most each of the bounds, which rise."""

    name: str
    about: str
    bounds: tuple[float, ...]
    sum: float = 0.0
    counts: list[int] = []  # of each bound alone, and of what is above the last

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """The bound below which that share of the values is; None: there are none, or above all."""
        wanted, seen = share * self.count, 0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            seen += count
            if seen and seen >= wanted:
                return bound
        return None


Metric: TypeAlias = Counter | Counters | Gauge | Gauges | Totals | Histogram


class Metrics:
    """All that a process tells of itself."""

    def __init__(self, metrics: Iterable[Metric] = ()) -> None:
        self._metrics = list(metrics)

    def text(self) -> str:
        """What a scraper reads."""
        return "".join(f"{line}\n" for metric in self._metrics for line in _lines(metric))


def _lines(metric: Metric) -> Iterator[str]:
    kind = (
        "counter" if isinstance(metric, Totals) else type(metric).__name__.lower().removesuffix("s")
    )
    yield f"# HELP {metric.name} {metric.about}"
    yield f"# TYPE {metric.name} {kind}"
    match metric:
        case Counter(value=value):
            yield f"{metric.name} {value}"
        case Counters(label=label, values=values):
            yield from _labelled(metric.name, {((label, one),): values[one] for one in values})
        case Gauge(read=read):
            yield f"{metric.name} {read():g}"
        case Gauges(values=values) | Totals(values=values):
            yield from _labelled(metric.name, values)
        case Histogram():
            yield from _buckets(metric)
        case _:
            assert_never(metric)


def _labelled(name: str, values: Mapping[Labels, float]) -> Iterator[str]:
    for labels, value in sorted(values.items()):
        written = ",".join(f'{label}="{_escaped(which)}"' for label, which in labels)
        yield f"{name}{{{written}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _buckets(metric: Histogram) -> Iterator[str]:
    seen = 0
    for bound, count in zip(metric.bounds, metric.counts, strict=False):
        seen += count
        yield f'{metric.name}_bucket{{le="{bound:g}"}} {seen}'
    yield f'{metric.name}_bucket{{le="+Inf"}} {metric.count}'
    yield f"{metric.name}_sum {metric.sum:.6f}"
    yield f"{metric.name}_count {metric.count}"
