"""tables: by its name only: each indexed query, of tables of 10,000 to 10,000,000 rows, and
the same with keys alone.
"""

from collections.abc import Sequence

from bench import indexed
from bench.contestant import contestant
from bench.harness import Stage, compete
from bench.load.indexed import KINDS, Asks
from bench.report import Row, Target, placed
from infra.settings import Settings

ROWS = (10**4, 10**5, 10**6, 10**7)
ROOM = 4_500  # bytes on the disk for each row of all tables, their indexes and the WAL
MOST_MS = 50.0


def run(stage: Stage) -> list[Row]:
    sizes = (1_000, 10_000) if stage.quick else ROWS
    stage.require_room(sum(sizes) * ROOM)
    loaded = {rows: _loaded(stage, rows) for rows in sizes}
    seconds, rounds = (0.2, 1) if stage.quick else (10.0, 3)
    sized = [
        row
        for kind, queries in KINDS.items()
        for row in _kind(kind, tuple(queries), loaded, seconds, rounds)
    ]
    return [*sized, *indexed.run(stage)]


def _loaded(stage: Stage, rows: int) -> Settings:
    own = stage.database(f"tables_{rows}")
    indexed.load(own, rows, ("indexed",))
    return own


def _kind(
    kind: str, queries: Sequence[str], loaded: dict[int, Settings], seconds: float, rounds: int
) -> list[Row]:
    names = {rows: f"{kind}, {rows:,} rows" for rows in loaded}
    contestants = [
        contestant(names[rows], Asks(own, "indexed", kind, seconds)) for rows, own in loaded.items()
    ]
    results = compete(contestants, rounds)
    found: list[Row] = []
    for query in queries:
        for rows, name in names.items():
            title, target = f"{query}, {rows:,} rows: indexed query, p99", Target(most=MOST_MS)
            row = results.row(title, "ms", name, f"{query} p99", target=target)
            found.append(placed(row, f"{kind}: p99 over rows", query, rows))
    return found
