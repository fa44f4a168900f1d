"""api: requests a second by kind of route, beside Litestar alone; three times as many as it can."""

from collections.abc import Mapping

import msgspec

from bench.child import Sample
from bench.contestant import contestant
from bench.harness import Results, Stage, compete
from bench.load.loops import Window
from bench.load.overload import TIMES, Overload
from bench.load.rest import BARE, Rest
from bench.realtime import noted
from bench.report import Row, Target
from infra.settings import Settings

MINE, LITESTAR = "formula", "litestar alone"
STORAGE_KEY = "A" * 43 + "="  # 32 bytes in base64
CALLERS = 100
MOST_MS = 50.0  # that 99 of 100 wait, at CALLERS

# What each route is, and how much of Litestar's rate it is to reach at least.
ROUTES: Mapping[str, tuple[str, float | None]] = {
    "livez": ("GET /livez", None),
    "task": ("a task", 0.5),
    "tasks": ("a page of 20 tasks", None),
    "metadata": ("metadata from the cache", 0.6),
    "change": ("a task changed, durably", 0.25),
}


def run(stage: Stage) -> list[Row]:
    window = Window(1.0, 0.3) if stage.quick else Window(2.0, 0.5)
    load = Rest(settings(stage), CALLERS, window)
    results = compete([contestant(MINE, load)], 1 if stage.quick else 3)
    results.samples[LITESTAR] = [_beside(one) for one in results.samples[MINE]]
    rows = [row for route in ROUTES for row in _rows(results, route)]
    alone = results.row(f"{LITESTAR}, {CALLERS} callers", "answers/s", MINE, "bare per_s")
    return [*rows, alone, *_overload(stage)]


def _overload(stage: Stage) -> list[Row]:
    """Its peak is of the same run, before and after."""
    window = Window(1.0, 0.3) if stage.quick else Window(5.0, 2.0)
    load = Overload(settings(stage, "overload"), CALLERS, window)
    results = compete([contestant(MINE, load)], 1 if stage.quick else 3)
    title = f"{TIMES} x the peak"
    return [
        results.row("a task read 4 times, changed once", "answers/s", MINE, "peak"),
        noted(results.row(f"{title}: asked for", "requests/s", MINE, "offered"), results, MINE),
        results.row(f"{title}: asked late by this load, p99", "ms", MINE, "behind p99"),
        results.row(f"{title}: answered", "answers/s", MINE, "good"),
        results.row(f"{title}: of the peak", "", MINE, "share", target=Target(least=0.8)),
        results.row(f"{title}: turned away (503)", "answers/s", MINE, "refused"),
        results.row(f"{title}: no connection for 1 s", "%", MINE, "gone"),
        results.row(f"{title}: p99 of what is answered", "ms", MINE, "good p99"),
        results.row(f"{title}: p99 of what is turned away", "ms", MINE, "refused p99"),
        results.row(f"{title}: rate afterwards", "answers/s", MINE, "after"),
    ]


def settings(stage: Stage, database: str = "api") -> Settings:
    return msgspec.structs.replace(
        stage.database(database),
        local_storage_path=str(stage.folder / "files"),
        local_storage_key=STORAGE_KEY,
    )


def _beside(sample: Sample) -> Sample:
    """Litestar has one route, which stands beside all of ours."""
    bare = {metric: sample.values.get(f"{BARE} {metric}") for metric in ("per_s", "cpu")}
    return Sample(
        {
            f"{route} {metric}": value
            for route in ROUTES
            for metric, value in bare.items()
            if value is not None
        }
    )


def _rows(results: Results, route: str) -> list[Row]:
    title, least = ROUTES[route]
    target = None if least is None else Target(least=least)
    most = None if least is None else Target(most=MOST_MS)
    return [
        results.row(title, "answers/s", MINE, f"{route} per_s", against=LITESTAR, target=target),
        results.row(f"{title}: {CALLERS} callers, p50", "ms", MINE, f"{route} p50"),
        results.row(f"{title}: {CALLERS} callers, p99", "ms", MINE, f"{route} p99", target=most),
        results.row(f"{title}: half of that rate, p50", "ms", MINE, f"{route} due p50"),
        results.row(f"{title}: half of that rate, p99", "ms", MINE, f"{route} due p99"),
        results.row(f"{title}: CPU of the API", "µs", MINE, f"{route} cpu", against=LITESTAR),
    ]
