"""What a report on paper says."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

MOST_ROWS = 500  # of a listing: all of them are in the CSV


MOST_DETAIL = 120  # characters of an event's fields


def short(detail: Mapping[str, object]) -> str:
    """An event's own fields, as much as a line of a table takes."""
    text = ", ".join(f"{name}: {value}" for name, value in detail.items() if value is not None)
    return text if len(text) <= MOST_DETAIL else f"{text[:MOST_DETAIL]}…"


class Figure(msgspec.Struct, frozen=True):
    label: str
    value: str


class Series(msgspec.Struct, frozen=True):
    name: str
    values: tuple[float, ...]


class Chart(msgspec.Struct, frozen=True):
    """Bars side by side or lines, of series as long as the labels. Labels are dates or hours."""

    title: str
    kind: Literal["bars", "lines"]
    labels: tuple[str, ...]
    series: tuple[Series, ...]


class Column(msgspec.Struct, frozen=True):
    name: str
    width: int  # percent of the page's
    align: Literal["left", "right"] = "left"


class Listing(msgspec.Struct, frozen=True):
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`about`: what it was asked for with. `position`: of the log, that the figures are of."""

    title: str
    about: tuple[Figure, ...]
    position: int
    made_at: datetime
    figures: tuple[Figure, ...] = ()
    charts: tuple[Chart, ...] = ()
    listings: tuple[Listing, ...] = ()


def counted(title: str, counts: Sequence[tuple[str, int]], most: int) -> Listing:
    """Names with how often there are events of them; of more than `most` nobody asked."""
    return Listing(
        title,
        (Column("", 80), Column("Events", 20, "right")),
        tuple((name, str(times)) for name, times in counts),
        f"The {most} most frequent." if len(counts) == most else "",
    )
