"""jobs: how fast announcements reach everybody, at what cost."""

from bench.contestant import contestant
from bench.harness import Stage, compete
from bench.load.announced import Announced
from bench.report import Row, Target

ANNOUNCE = "announcements to everybody"
LEAST = 2_000  # notifications a second


def run(stage: Stage) -> list[Row]:
    people, announcements = (100, 5) if stage.quick else (1_000, 100)
    load = Announced(stage.database("announced"), people, announcements)
    results = compete([contestant(ANNOUNCE, load)], rounds=1)
    return [
        results.row(ANNOUNCE, "notifications/s", ANNOUNCE, target=Target(least=LEAST)),
        *(
            results.row(f"{ANNOUNCE}, {name} for 10,000", "CPU s", ANNOUNCE, f"{name} s")
            for name in ("worker", "projector")
        ),
        results.row(f"{ANNOUNCE}, memory of the worker", "MB", ANNOUNCE, "worker MB"),
    ]
