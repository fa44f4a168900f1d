"""Charts as SVG: where each bar, line and label stands; the rest is the template's."""

from collections.abc import Sequence
from math import ceil, floor, log10

import msgspec

from workers.letters import TEMPLATES
from workers.reports.model import Chart, Series

WIDTH, HEIGHT = 493.0, 140.0  # points: all of the page's width
LEFT, RIGHT, TOP, BOTTOM = 34.0, 4.0, 8.0, 18.0
COLOURS = ("#5b54d6", "#1f9d77", "#d97706", "#be3455")
LABELS = 12  # so many fit below
LINES = 4  # of the grid, about


class Bar(msgspec.Struct, frozen=True):
    x: float
    y: float
    width: float
    height: float
    colour: str


class Line(msgspec.Struct, frozen=True):
    path: str
    colour: str


class Text(msgspec.Struct, frozen=True):
    x: float
    y: float
    text: str


def svg(chart: Chart) -> str:
    ticks = grid(max((value for one in chart.series for value in one.values), default=0.0))
    top = ticks[-1]
    return TEMPLATES.get_template("report_chart.svg").render(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        ticks=[Text(LEFT - 4, _y(tick, top), f"{tick:g}") for tick in ticks],
        labels=_labels(chart.labels),
        bars=_bars(chart.series, top) if chart.kind == "bars" else [],
        lines=_lines(chart.series, top) if chart.kind == "lines" else [],
    )


def legend(chart: Chart) -> list[tuple[str, str]]:
    """Name and colour of each series, where there are several."""
    names = [one.name for one in chart.series]
    return list(zip(names, COLOURS, strict=False)) if len(names) > 1 else []


def grid(most: float) -> list[float]:
    """Round numbers from 0 to `most` or a little more."""
    rough = max(most, LINES) / LINES
    unit = 10.0 ** floor(log10(rough))
    step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= rough)
    return [step * n for n in range(ceil(max(most, 1) / step) + 1)]


def _y(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), 2)


def _slot(labels: int) -> float:
    return (WIDTH - LEFT - RIGHT) / max(labels, 1)


def _labels(labels: Sequence[str]) -> list[Text]:
    every = ceil(len(labels) / LABELS) or 1
    slot = _slot(len(labels))
    return [
        Text(round(LEFT + slot * (place + 0.5), 2), HEIGHT - 6, label)
        for place, label in enumerate(labels)
        if place % every == 0
    ]


def _bars(series: Sequence[Series], top: float) -> list[Bar]:
    slot = _slot(len(series[0].values))
    width = slot * 0.8 / len(series)
    return [
        Bar(
            x=round(LEFT + slot * (place + 0.1) + width * which, 2),
            y=_y(value, top),
            width=round(width, 2),
            height=round(_y(0, top) - _y(value, top), 2),
            colour=COLOURS[which],
        )
        for which, one in enumerate(series)
        for place, value in enumerate(one.values)
        if value > 0
    ]


def _lines(series: Sequence[Series], top: float) -> list[Line]:
    slot = _slot(len(series[0].values))
    return [
        Line(
            "M"
            + " L".join(
                f"{LEFT + slot * (place + 0.5):.2f} {_y(value, top)}"
                for place, value in enumerate(one.values)
            ),
            COLOURS[which],
        )
        for which, one in enumerate(series)
    ]
