"""projections: how fast groups come to the log's head, lag behind it, and are built anew."""

from bench import indexed
from bench.append import filled
from bench.contestant import contestant
from bench.harness import Stage, compete
from bench.load.lag import Lags
from bench.load.loops import Window
from bench.load.project import Projects
from bench.load.rebuild import Rebuilds
from bench.peers.runner import Runs
from bench.report import Row, Target
from infra.settings import Settings

RATE = 2_000  # actions a second
LEAST = {"live": 15_000, "queries": 10_000, "audit": 10_000}  # events a second
REBUILT = {"activity": 40_000, "audit": 25_000}


def run(stage: Stage) -> list[Row]:
    size = 10_000 if stage.quick else 1_000_000
    log = filled(stage, (size,))[size]
    return [*groups(stage, log), *rebuilds(log, size), *lag(stage), *indexed.run(stage)]


def groups(stage: Stage, log: Settings) -> list[Row]:
    """From the beginning of a log that is there already; one process, its group alone."""
    events, seconds = (5_000, 1.0) if stage.quick else (100_000, 4.0)
    contestants = [contestant(name, Projects(log, name, events)) for name in LEAST]
    contestants.append(contestant("ProjectionRunner", Runs(log.database_url, seconds)))
    results = compete(contestants, rounds=1 if stage.quick else 3)
    stock = "ProjectionRunner"
    return [
        *(
            results.row(f"group {name}", "events/s", name, target=Target(least=least))
            for name, least in LEAST.items()
        ),
        results.row(
            "live beside the stock runner",
            "events/s",
            "live",
            against=stock,
            target=Target(least=20.0),
        ),
        results.row(stock, "events/s", stock),
    ]


def rebuilds(log: Settings, size: int) -> list[Row]:
    """All of the log, by COPY, the indexes' time included."""
    contestants = [contestant(name, Rebuilds(log, name, size)) for name in REBUILT]
    results = compete(contestants, rounds=1)
    return [
        results.row(f"rebuild of {name}", "events/s", name, target=Target(least=least))
        for name, least in REBUILT.items()
    ]


def lag(stage: Stage) -> list[Row]:
    """From the commit to what a group shows, with every group projected beside the appends."""
    window = Window(1.0) if stage.quick else Window(8.0, before_s=2.0)
    shown = ("live", "queries", "audit")
    load = Lags(stage.database("lag"), RATE, window, shown)
    results = compete([contestant("lag", load)], rounds=1 if stage.quick else 3)
    return [
        results.row("lag of live, p50", "ms", "lag", "live p50", target=Target(most=4.0)),
        results.row("lag of live, p99", "ms", "lag", "live p99", target=Target(most=20.0)),
        *(
            results.row(
                f"lag of {group}, p99", "ms", "lag", f"{group} p99", target=Target(most=100.0)
            )
            for group in shown
        ),
    ]
