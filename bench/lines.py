"""A suite's rows as people read them: Formula's, with what is beside each in the same line."""

from collections.abc import Sequence

import msgspec

from bench.report import Row


class Line(msgspec.Struct, frozen=True):
    """`beside`: the peers' rows of the same measurement, by the peers' names."""

    row: Row
    beside: tuple[tuple[str, Row], ...] = ()


def lines(rows: Sequence[Row]) -> list[Line]:
    """In their order. A peer's row is named `<peer>, <title>`, or as what others are against."""
    titles = {row.name for row in rows}
    named = {row.name: row for row in rows}
    against = {row.against for row in rows if row.against in titles}
    owners = {row.name: _owner(row.name, titles) for row in rows}
    found: list[Line] = []
    for row in rows:
        if owners[row.name] or (row.name in against and row.against is None):
            continue
        peers = [(_peer(one.name, row.name), one) for one in rows if owners[one.name] == row.name]
        if row.against in against:
            peers.append((row.against, named[row.against]))
        found.append(Line(row, tuple(peers)))
    return found


def _owner(name: str, titles: set[str]) -> str | None:
    """The longest title that it ends with and that is nobody's own: none of them gets lost."""
    parts = name.split(", ")
    tails = (", ".join(parts[first:]) for first in range(1, len(parts)))
    return next((one for one in tails if one in titles and not _owner(one, titles)), None)


def _peer(name: str, title: str) -> str:
    return name.removesuffix(f", {title}")
