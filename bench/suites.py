"""The suites by name."""

from collections.abc import Callable, Mapping

from bench import (
    api,
    append,
    chaos,
    claims,
    files,
    growth,
    guard,
    jobs,
    projections,
    realtime,
    soak,
    watching,
)
from bench.harness import Stage
from bench.report import Row

SUITES: Mapping[str, Callable[[Stage], list[Row]]] = {
    "guard": guard.run,
    "api": api.run,
    "append": append.run,
    "projections": projections.run,
    "jobs": jobs.run,
    "realtime": realtime.run,
    "files": files.run,
    "claims": claims.run,
    "growth": growth.run,
    "soak": soak.run,
    "chaos": chaos.run,
    "watching": watching.run,
}
ALONE = (
    "guard",
    "growth",
    "soak",
    "chaos",
    "watching",
)  # by name only; the rest is `all`, in this order
SHORT = tuple(name for name in SUITES if name not in ALONE)
ABOUT = tuple(
    module.__doc__ or ""
    for module in (
        guard,
        api,
        append,
        projections,
        jobs,
        realtime,
        files,
        claims,
        growth,
        soak,
        chaos,
        watching,
    )
)
