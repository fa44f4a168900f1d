"""Metrics: plain numbers that code adds to, and their text for Prometheus (format 0.0.4).

Not `prometheus_client`: its counters take a lock each and are the process's own, ours belong to
one event loop, are passed in, and cost an addition where a frame goes to a thousand sockets.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from typing import TypeAlias, assert_never

import msgspec

Labels: TypeAlias = tuple[tuple[str, str], ...]  # name and value

CONTENT_TYPE = "text/plain; version=0.0.4"  # in UTF-8

# Seconds. One set for all durations, so that what any process counted at any time adds up.
SECONDS = (
    *(0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1.0, 2.0, 5.0, 10.0, 20.0, 60.0),
)


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


class Histograms(msgspec.Struct):
    """A histogram in seconds for each combination of labels, of which there are few."""

    name: str
    about: str
    labels: tuple[str, ...]
    of: dict[tuple[str, ...], Histogram] = {}

    def observe(self, which: tuple[str, ...], value: float) -> None:
        found = self.of.get(which)
        if found is None:
            found = self.of[which] = Histogram(self.name, self.about, SECONDS)
        found.observe(value)


Metric: TypeAlias = Counter | Counters | Gauge | Gauges | Totals | Histogram | Histograms


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Point(msgspec.Struct, frozen=True):
    """A number; or a histogram: `value` is then the sum, `counts` are as Histogram's."""

    labels: Labels
    value: float
    counts: tuple[int, ...] = ()


class Family(msgspec.Struct, frozen=True):
    """A metric as it was when it was read; counters and histograms since the process began."""

    name: str
    about: str
    kind: Kind
    points: tuple[Point, ...]
    bounds: tuple[float, ...] = ()


class Metrics:
    """All that a process tells of itself."""

    def __init__(self, metrics: Iterable[Metric] = ()) -> None:
        self._metrics = list(metrics)
        self._sources: list[Callable[[], Iterable[Metric]]] = []

    def add(self, *metrics: Metric) -> None:
        self._metrics += metrics

    def include(self, source: Callable[[], Iterable[Metric]]) -> None:
        """What is made when somebody looks."""
        self._sources.append(source)

    def read(self) -> list[Family]:
        made = chain.from_iterable(source() for source in self._sources)
        return [_family(metric) for metric in chain(self._metrics, made)]

    def text(self) -> str:
        """What a scraper reads."""
        return text(self.read())


def text(families: Iterable[Family]) -> str:
    """Families of one name, of several processes, are one to a scraper."""
    named: dict[str, list[Family]] = {}
    for family in families:
        named.setdefault(family.name, []).append(family)
    return "".join(f"{line}\n" for same in named.values() for line in _lines(same))


def labelled(family: Family, *labels: tuple[str, str]) -> Family:
    """With more labels: whose it is."""
    points = tuple(
        msgspec.structs.replace(point, labels=(*labels, *point.labels)) for point in family.points
    )
    return msgspec.structs.replace(family, points=points)


def _family(metric: Metric) -> Family:
    name, about = metric.name, metric.about
    match metric:
        case Counter(value=value):
            return Family(name, about, Kind.COUNTER, (Point((), value),))
        case Counters(label=label, values=counts):
            named = (Point(((label, one),), counts[one]) for one in sorted(counts))
            return Family(name, about, Kind.COUNTER, tuple(named))
        case Gauge(read=read):
            return Family(name, about, Kind.GAUGE, (Point((), read()),))
        case Gauges(values=values):
            return Family(name, about, Kind.GAUGE, _points(values))
        case Totals(values=values):
            return Family(name, about, Kind.COUNTER, _points(values))
        case Histogram(bounds=bounds):
            return Family(name, about, Kind.HISTOGRAM, (_spread(metric, ()),), bounds)
        case Histograms(labels=labels, of=of):
            many = tuple(
                _spread(of[which], tuple(zip(labels, which, strict=True))) for which in sorted(of)
            )
            return Family(name, about, Kind.HISTOGRAM, many, SECONDS)
        case _:
            assert_never(metric)


def _points(values: Mapping[Labels, float]) -> tuple[Point, ...]:
    return tuple(Point(labels, value) for labels, value in sorted(values.items()))


def _spread(metric: Histogram, labels: Labels) -> Point:
    return Point(labels, metric.sum, tuple(metric.counts))


def _lines(same: Sequence[Family]) -> Iterator[str]:
    name = same[0].name
    yield f"# HELP {name} {same[0].about}"
    yield f"# TYPE {name} {same[0].kind}"
    for family in same:
        for point in family.points:
            if family.kind is Kind.HISTOGRAM:
                yield from _buckets(name, family.bounds, point)
            else:
                yield f"{name}{_braced(point.labels)} {_number(point.value)}"


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _braced(labels: Labels) -> str:
    written = ",".join(f'{label}="{_escaped(which)}"' for label, which in labels)
    return f"{{{written}}}" if written else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _buckets(name: str, bounds: Sequence[float], point: Point) -> Iterator[str]:
    seen = 0
    for bound, count in zip(bounds, point.counts, strict=False):
        seen += count
        yield f"{name}_bucket{_braced((*point.labels, ('le', f'{bound:g}')))} {seen}"
    yield f"{name}_bucket{_braced((*point.labels, ('le', '+Inf')))} {sum(point.counts)}"
    yield f"{name}_sum{_braced(point.labels)} {point.value:.6f}"
    yield f"{name}_count{_braced(point.labels)} {sum(point.counts)}"
