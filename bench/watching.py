"""watching: what it costs an API process to measure itself, beside one that does not."""

from bench.api import CALLERS, MINE, settings
from bench.contestant import contestant
from bench.harness import Stage, compete
from bench.load.loops import Window
from bench.load.watched import Watched
from bench.report import Row, Target

ROUNDS = 10
LEAST, MOST = 0.95, 1.05


def run(stage: Stage) -> list[Row]:
    window = Window(0.5, 0.2) if stage.quick else Window(3.0, 0.5)
    rounds = 2 if stage.quick else ROUNDS
    load = Watched(settings(stage, "watching"), CALLERS, rounds, window)
    results = compete([contestant(MINE, load)], rounds=1)
    titles = {"task": "a task", "change": "a task changed, durably"}
    return [
        row
        for route, title in titles.items()
        for row in (
            results.row(
                f"{title}: rate, of one that does not",
                "",
                MINE,
                f"{route} per_s",
                target=Target(least=LEAST),
            ),
            results.row(
                f"{title}: CPU, of one that does not",
                "",
                MINE,
                f"{route} cpu",
                target=Target(most=MOST),
            ),
        )
    ]
