"""soak: ordinary traffic for twenty minutes, and whether memory or descriptors grow."""

from bench.api import CALLERS, MINE, settings
from bench.contestant import contestant
from bench.harness import Results, Stage, compete
from bench.load.loops import Window
from bench.load.soak import RATE, VISITS, Soak
from bench.report import Row, Target

SECONDS = 1_200.0
START_S = 120.0  # for the servers, and what they are filled with


def run(stage: Stage) -> list[Row]:
    window = Window(10.0, 1.0) if stage.quick else Window(SECONDS, 5.0)
    load = Soak(settings(stage, "soak"), CALLERS, window)
    one = contestant(MINE, load, limit_s=window.seconds + START_S)
    results = compete([one], rounds=1)
    target = Target(least=0.99 * RATE)
    minutes = f"{window.seconds / 60:.0f} min at {RATE} requests/s"
    return [
        results.row(f"{minutes}: answered", "answers/s", MINE, "good", target=target),
        results.row(f"{minutes}: p99", "ms", MINE, "asked p99"),
        results.row(f"{minutes}: by WebSocket, of {VISITS} a second", "visits", MINE, "visits"),
        *(row for name in ("api", "projector") for row in _grown(results, name)),
    ]


def _grown(results: Results, name: str) -> list[Row]:
    return [
        results.row(f"{name}: memory at the end", "MiB", MINE, f"{name} MiB"),
        results.row(
            f"{name}: memory at the end, of that early",
            "",
            MINE,
            f"{name} grows",
            target=Target(most=1.05),
        ),
        results.row(
            f"{name}: descriptors more than early", "", MINE, f"{name} files", target=Target(most=0)
        ),
    ]
