"""growth: by its name only: the log to 10,000,000 events; subscribers, rooms, connections."""

from collections.abc import Mapping

import msgspec

from bench.api import MINE, settings
from bench.append import ROOM, filled, growth
from bench.contestant import Contestant, contestant
from bench.harness import Results, Stage, compete
from bench.load.idle import Idle
from bench.load.loops import Window
from bench.load.teams import Teams
from bench.peers import npm
from bench.realtime import OTHER, PEER, Field, noted
from bench.report import Row, Target, placed

REQUESTS = 100  # a second in all, by REST, beside what is said
LIMIT_S = 600.0
CONNECTIONS = (100, 1_000, 10_000)


class Scale(msgspec.Struct, frozen=True):
    """Actions a second in all, whatever the size; by size, how many teams of how many people."""

    said: int
    shapes: Mapping[int, tuple[int, int]]


SCALES = {
    "subscribers": Scale(20, {size: (1, size) for size in (10, 100, 1_000)}),
    "rooms": Scale(100, {size: (size, 10) for size in (1, 10, 100)}),
}


def run(stage: Stage) -> list[Row]:
    sizes = (1_000, 10_000) if stage.quick else (10**4, 10**5, 10**6, 10**7)
    stage.require_room(sum(sizes) * ROOM)
    rows = [row for what in SCALES for row in heard(stage, what)]
    rows += connections(Field(stage, npm.install(PEER)))
    return [*rows, *growth(stage, filled(stage, sizes))]


def heard(stage: Stage, what: str) -> list[Row]:
    """Until others of the room have what was said, and until REST answers; open loops."""
    window = Window(1.0, 0.5) if stage.quick else Window(10.0, 3.0)
    scale = SCALES[what]
    sizes = list(scale.shapes)[: 2 if stage.quick else None]
    contestants: list[Contestant] = []
    for size in sizes:
        teams, people = scale.shapes[size]
        own = settings(stage, f"{what}_{size}")
        load = Teams(own, teams, people, REQUESTS // teams, scale.said // teams, window)
        contestants.append(contestant(f"{size:,} {what}", load, limit_s=LIMIT_S))
    results = compete(contestants, rounds=1 if stage.quick else 3)
    rows: list[Row] = []
    for metric, title in (("told p99", "until others hear, p99"), ("asked p99", "REST, p99")):
        for size, name in zip(sizes, results.samples, strict=True):
            row = noted(results.row(f"{name}: {title}", "ms", name, metric), results, name)
            rows.append(placed(row, f"{title} over {what}", "formula", size))
    return [*rows, *_missing(results)]


def _missing(results: Results) -> list[Row]:
    never = Target(most=0)
    return [
        results.row(f"{name}: deliveries missing", "frames", name, "missing", target=never)
        for name in results.samples
    ]


def connections(field: Field) -> list[Row]:
    """Idle ones: what each takes, and how fast they come."""
    sizes = CONNECTIONS[:2] if field.stage.quick else CONNECTIONS
    sides = field.sides("connections", rooms=0)
    contestants = [
        contestant(f"{size:,} connections, {name}", Idle(side, size), limit_s=LIMIT_S)
        for size in sizes
        for name, side in sides.items()
    ]
    results = compete(contestants, rounds=1 if field.stage.quick else 3)
    rows: list[Row] = []
    for metric, title, unit in (("kib", "memory of each", "KiB"), ("per_s", "coming", "sockets/s")):
        for size in sizes:
            of, beside = (f"{size:,} connections, {name}" for name in (MINE, OTHER))
            row = results.row(f"{size:,} connections: {title}", unit, of, metric)
            rows.append(placed(row, f"{title} over connections", MINE, size))
            if OTHER in sides:
                peer = f"{OTHER}, {row.name}"
                row = results.row(peer, unit, beside, metric)
                rows.append(placed(row, f"{title} over connections", OTHER, size))
    return rows
