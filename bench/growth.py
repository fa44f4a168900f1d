"""growth: by its name only: what an append costs as the log grows to 10,000,000 events."""

from bench.append import ROOM, filled, growth
from bench.harness import Stage
from bench.report import Row


def run(stage: Stage) -> list[Row]:
    sizes = (1_000, 10_000) if stage.quick else (10**4, 10**5, 10**6, 10**7)
    stage.require_room(sum(sizes) * ROOM)
    return growth(stage, filled(stage, sizes))
