"""claims: what the source system claims, at 1, 10 and 100 times its load."""

from bench import indexed
from bench.api import MINE, settings
from bench.contestant import contestant
from bench.harness import Stage, compete
from bench.load.file_server import hollow
from bench.load.indexed import Asks
from bench.load.loops import Window
from bench.load.teams import Teams
from bench.load.upload import Upload
from bench.realtime import noted
from bench.report import Row, Target

# Of the source system: people at once, requests a second, rows of a table, bytes of a file.
PEOPLE, REQUESTS, ROWS, BYTES = 50, 100, 10_000, 100_000_000
ACTIONS = 2  # of a team in its room, a second
API_MS, TOLD_MS, QUERY_MS, FAILED = 200.0, 100.0, 50.0, 1.0
LIMIT_S = 600.0


def run(stage: Stage) -> list[Row]:
    times = (1, 2) if stage.quick else (1, 10, 100)
    stage.require_room(2 * BYTES * sum(times))
    return [
        row for part in (_teams, _queries, _uploads) for one in times for row in part(stage, one)
    ]


def _teams(stage: Stage, times: int) -> list[Row]:
    window = Window(2.0, 0.5) if stage.quick else Window(8.0, 2.0)
    load = Teams(settings(stage, f"teams_{times}"), times, PEOPLE, REQUESTS, ACTIONS, window)
    results = compete([contestant(MINE, load, limit_s=LIMIT_S)], rounds=1)
    title = f"{times} x, {times * PEOPLE:,} people, {times * REQUESTS:,} requests/s"

    def row(what: str, unit: str, metric: str, target: Target) -> Row:
        return noted(
            results.row(f"{title}: {what}", unit, MINE, metric, target=target), results, MINE
        )

    answered = Target(least=0.99 * REQUESTS * times)
    return [
        row("people in their rooms", "people", "people", Target(least=PEOPLE * times)),
        row("answered", "answers/s", "good", answered),
        results.row(f"{title}: turned away (503)", "answers/s", MINE, "refused"),
        results.row(f"{title}: no connection for 1 s", "%", MINE, "gone"),
        results.row(f"{title}: asked late by this load, p99", "ms", MINE, "behind p99"),
        row("not answered, or with an error", "%", "failed", Target(most=FAILED)),
        row("REST, p99", "ms", "asked p99", Target(most=API_MS)),
        row("WebSocket, until others have it, p99", "ms", "told p99", Target(most=TOLD_MS)),
        row("deliveries missing", "frames", "missing", Target(most=0)),
    ]


def _queries(stage: Stage, times: int) -> list[Row]:
    rows = times * (ROWS // 10 if stage.quick else ROWS)
    own = stage.database(f"queries_{times}")
    indexed.load(own, rows, ("indexed",), indexed.LISTED)
    asks = Asks(own, "indexed", "indexed", 0.5 if stage.quick else 3.0)
    results = compete([contestant(MINE, asks)], rounds=1)
    title = f"{times} x, tables of {rows:,} rows: indexed query, p99"
    return [results.row(title, "ms", MINE, "p99", target=Target(most=QUERY_MS))]


def _uploads(stage: Stage, times: int) -> list[Row]:
    size = times * (BYTES // 10 if stage.quick else BYTES)
    path = hollow(stage.folder / f"{times}.jpg", size)
    load = Upload(settings(stage, f"uploads_{times}"), str(path))
    results = compete([contestant(MINE, load, limit_s=LIMIT_S)], rounds=1)
    path.unlink()
    title = f"{times} x, a file of {size // 1_000_000:,} MB"
    return [
        results.row(f"{title}: kept, sealed and durable", "MB/s", MINE, "mb_per_s"),
        results.row(f"{title}: API grows by", "MiB", MINE, "grown", target=Target(most=64)),
    ]
