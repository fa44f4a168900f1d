"""projections: how fast groups come to the log's head, lag behind it, and are built anew."""

from bench.append import filled
from bench.contestant import contestant, play
from bench.harness import Results, Stage, compete
from bench.load.history import Lives
from bench.load.lag import Lags
from bench.load.latency import Arrivals
from bench.load.loops import Window
from bench.load.project import Projects
from bench.load.rebuild import Rebuilds
from bench.load.rebuilding import Rebuilding
from bench.load.replay import Seeks
from bench.load.streams import PROJECT
from bench.peers import emmett
from bench.peers.emmett_projector import NodeProjects
from bench.peers.runner import Runs
from bench.report import Row, Target
from infra.settings import Settings

RATE = 2_000  # actions a second
BESIDE_RATE = 500  # appends a second beside a build
LEAST = {"live": 15_000, "queries": 10_000, "audit": 10_000}  # events a second
SHOWN = (*LEAST, "analytics")
REBUILT = {"activity": 40_000, "audit": 25_000}
STOCK, NODE = "ProjectionRunner", "Emmett's projector"


def run(stage: Stage) -> list[Row]:
    size = 10_000 if stage.quick else 400_000
    log = filled(stage, (size,))[size]
    return [
        *groups(stage, log),
        *rebuilds(log, size),
        *beside(stage, log, size),
        *lag(stage),
        *replay(stage, size),
    ]


def groups(stage: Stage, log: Settings) -> list[Row]:
    """From the beginning of a log that is there already; one process, its group alone."""
    events, seconds = (5_000, 1.0) if stage.quick else (60_000, 3.0)
    skipped = emmett.install()
    contestants = [contestant(name, Projects(log, name, events)) for name in LEAST]
    contestants.append(contestant(STOCK, Runs(log.database_url, seconds)))
    if skipped is None:
        node = stage.database("emmett").database_url
        contestants.append(contestant(NODE, NodeProjects(node, 20_000, seconds)))
    results = compete(contestants, rounds=1 if stage.quick else 3)
    return [
        *(
            results.row(f"group {name}", "events/s", name, target=Target(least=least))
            for name, least in LEAST.items()
        ),
        results.row(
            "live beside the stock runner",
            "events/s",
            "live",
            against=STOCK,
            target=Target(least=20),
        ),
        results.row(STOCK, "events/s", STOCK),
        *_emmett(results, skipped),
    ]


def _emmett(results: Results, skipped: str | None) -> list[Row]:
    title, unit = "live beside Emmett's projector", "events/s"
    if skipped is not None:
        return [Row(name=title, value=None, unit=unit, note=f"skipped: {skipped}")]
    return [
        results.row(title, unit, "live", against=NODE, target=Target(least=12)),
        results.row(NODE, unit, NODE),
    ]


def rebuilds(log: Settings, size: int) -> list[Row]:
    """All of the log, by COPY, the indexes' time included."""
    contestants = [contestant(name, Rebuilds(log, name, size)) for name in REBUILT]
    results = compete(contestants, rounds=1)
    return [
        results.row(f"rebuild of {name}", "events/s", name, target=Target(least=least))
        for name, least in REBUILT.items()
    ]


def beside(stage: Stage, log: Settings, size: int) -> list[Row]:
    """Appends at a moderate rate, with and without a build of the audit at full speed."""
    window = Window(1.0) if stage.quick else Window(10.0)
    arrivals = Arrivals(log, BESIDE_RATE, window)
    events = min(size, 200_000)  # bulk and indexes both fall into the window
    alone, building = "append alone", "append beside a rebuild"
    contestants = [
        contestant(alone, arrivals),
        contestant(building, Rebuilding(arrivals, "audit", events)),
    ]
    results = compete(contestants, rounds=1 if stage.quick else 2)
    return [
        results.row(
            f"{building}, p99", "ms", building, "append p99", against=alone, target=Target(most=2.0)
        ),
        results.row(f"{alone}, p99", "ms", alone, "append p99"),
    ]


def lag(stage: Stage) -> list[Row]:
    """From the commit to what a group shows: the rooms alone, then all groups beside each other."""
    window = Window(1.0) if stage.quick else Window(6.0, before_s=2.0)
    alone = contestant("alone", Lags(stage.database("lag"), RATE, window, ("live",)))
    beside = contestant("beside", Lags(stage.database("lags"), RATE, window, SHOWN))
    results = compete([alone, beside], rounds=1 if stage.quick else 3)
    return [
        results.row("lag of live, p50", "ms", "alone", "live p50", target=Target(most=4.0)),
        results.row("lag of live, p99", "ms", "alone", "live p99", target=Target(most=20.0)),
        *(
            results.row(
                f"lag of {group} beside all, p99",
                "ms",
                "beside",
                f"{group} p99",
                target=Target(most=100.0),
            )
            for group in SHOWN
        ),
    ]


def replay(stage: Stage, size: int) -> list[Row]:
    """The room at any position of one project's life."""
    settings = stage.database("replay")
    lived = play(contestant("a project's life", Lives(settings, size))).values
    seeks = Seeks(settings, PROJECT, int(lived["start"]), int(lived["end"]), seeks=200)
    results = compete([contestant("seek", seeks)], rounds=1)
    return [
        results.row("replay, seek, p99", "ms", "seek", "p99_ms", target=Target(most=300.0)),
        results.row("replay, seek, p50", "ms", "seek", "p50_ms"),
        results.row("replay, first seek of all", "s", "seek", "first_s"),
    ]
