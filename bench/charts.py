"""The charts of a suite: latency CDFs, throughput over concurrency, growth curves."""

from collections.abc import Sequence
from math import log10

import msgspec
from msgspec import UNSET

from bench.lines import Line, lines
from bench.report import Report, Row, number

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 30, 30, 44  # of the plot within the picture
COLOURS = 6  # of the page's style: c0, c1, ...

Points = Sequence[tuple[float, float]]


class Chart(msgspec.Struct, frozen=True):
    """Lines by name. `log_x`, `log_y`: what grows by powers is shown so."""

    title: str
    x: str
    y: str
    lines: tuple[tuple[str, Points], ...]
    log_x: bool = False
    log_y: bool = False


class Axis(msgspec.Struct, frozen=True):
    low: float
    high: float
    log: bool

    def share(self, value: float) -> float:
        """Where a value is between the ends, 0 to 1."""
        if self.log:
            return (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        if self.log:
            first, last = round(log10(self.low)), round(log10(self.high))
            return [10.0**power for power in range(first, last + 1)]
        return [self.low + (self.high - self.low) * part / 4 for part in range(5)]


def charts(report: Report) -> list[Chart]:
    return [*_placed(report.rows), *_cdfs(lines(report.rows))]


def _placed(rows: Sequence[Row]) -> list[Chart]:
    """Points of rows that say where they belong, by chart and line."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    units: dict[str, str] = {}
    for row in rows:
        if row.place is not UNSET and row.value is not None:
            place = row.place
            found.setdefault(place.chart, {}).setdefault(place.line, []).append(
                (place.x, row.value)
            )
            units[place.chart] = row.unit
    return [
        Chart(
            title=title,
            x=title.rpartition(" over ")[2],
            y=units[title],
            lines=tuple((name, sorted(points)) for name, points in drawn.items()),
            log_x=True,
        )
        for title, drawn in found.items()
    ]


def _cdfs(found: Sequence[Line]) -> list[Chart]:
    made: list[Chart] = []
    for line in found:
        sides = (("formula", line.row), *line.beside)
        drawn = tuple((name, row.cdf) for name, row in sides if row.cdf is not UNSET)
        if drawn:
            title = line.row.name.removesuffix("p99").rstrip(", ")
            made.append(Chart(f"{title}: latencies", "ms", "share", drawn, log_x=True))
    return made


def svg(chart: Chart) -> str:
    """A picture that takes its colours from the page. Names are escaped by `text`."""
    points = [point for _, line in chart.lines for point in line]
    across = _axis([x for x, _ in points], log=chart.log_x)
    up = _axis([y for _, y in points], log=chart.log_y)
    if chart.y == "share":
        up = Axis(0.0, 1.0, log=False)
    parts = [_grid(across, up), _labels(chart)]
    parts += [
        _line(index, name, line, across, up) for index, (name, line) in enumerate(chart.lines)
    ]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(chart.title)}">'
        f"{''.join(parts)}</svg>"
    )


def _axis(values: Sequence[float], *, log: bool) -> Axis:
    """From 0 in four round steps, or from and to a power of ten."""
    if not log:
        return Axis(0.0, 4 * _round(max(values) / 4), log=False)
    positive = [value for value in values if value > 0] or [1.0]
    low = 10.0 ** int(_floor(log10(min(positive))))
    high = 10.0 ** -int(_floor(-log10(max(positive))))
    return Axis(low, high if high > low else low * 10, log=True)


def _round(step: float) -> float:
    """The next number from there on that is easily read."""
    if step <= 0:
        return 0.25
    ten = 10.0 ** _floor(log10(step))
    return ten * next(times for times in (1, 2, 2.5, 5, 10) if times * ten >= step)


def _floor(value: float) -> int:
    return int(value // 1)


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _grid(across: Axis, up: Axis) -> str:
    parts: list[str] = []
    for tick in across.ticks():
        x = _x(across.share(tick))
        parts.append(f'<line class="grid" x1="{x}" y1="{_y(0)}" x2="{x}" y2="{_y(1)}"/>')
        parts.append(_text(x, _y(0) + 16, number(tick), "middle"))
    for tick in up.ticks():
        y = _y(up.share(tick))
        parts.append(f'<line class="grid" x1="{_x(0)}" y1="{y}" x2="{_x(1)}" y2="{y}"/>')
        parts.append(_text(LEFT - 6, y + 4, number(tick), "end"))
    return "".join(parts)


def _labels(chart: Chart) -> str:
    across = _text(_x(0.5), HEIGHT - 8, chart.x, "middle")
    return across + _text(4, 12, chart.y, "start")


def _line(index: int, name: str, points: Points, across: Axis, up: Axis) -> str:
    kept = [(x, y) for x, y in points if x > 0 or not across.log]
    path = " ".join(f"{_x(across.share(x))},{_y(up.share(y))}" for x, y in kept)
    colour = f"c{index % COLOURS}"
    dots = "".join(
        f'<circle class="{colour}" cx="{_x(across.share(x))}" cy="{_y(up.share(y))}" r="3">'
        f"<title>{text(name)}: {number(x)}, {number(y)}</title></circle>"
        for x, y in kept
    )
    key = _text(LEFT + 10, TOP + 14 + 15 * index, name, "start", f"key {colour}")
    return f'<polyline class="{colour}" points="{path}"/>{dots}{key}'


def _text(x: float, y: float, what: str, anchor: str, style: str = "label") -> str:
    return f'<text class="{style}" x="{x}" y="{y}" text-anchor="{anchor}">{text(what)}</text>'


def text(what: str) -> str:
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        what = what.replace(plain, escaped)
    return what
