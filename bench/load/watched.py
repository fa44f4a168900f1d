"""What it costs an API process to watch itself: by turns with one that does not."""

from contextlib import ExitStack
from statistics import median

import msgspec
import uvloop

from bench.child import Sample, answer, given
from bench.load.loops import Window
from bench.load.requests import Measured
from bench.load.rest import Side, api, measured, prepared
from infra.settings import Settings

ROUTES = ("task", "change")


class Watched(msgspec.Struct, frozen=True):
    settings: Settings
    callers: int
    rounds: int
    window: Window


def run(load: Watched) -> Sample:
    """By route: the rate and the CPU a request of one that is watched, as shares of the other's."""
    with ExitStack() as stack:
        backend = prepared(load.settings, load.callers, stack)
        on, off = api(backend, stack), api(backend, stack, "bench.peers.unwatched")
        return uvloop.run(_measured(on, off, load))


async def _measured(on: Side, off: Side, load: Watched) -> Sample:
    rounds: list[tuple[str, Measured, Measured]] = []
    for number in range(load.rounds):
        for route in ROUTES:
            first, second = (on, off) if number % 2 else (off, on)
            one = await measured(first, route, load.window)
            other = await measured(second, route, load.window)
            rounds.append((route, one, other) if number % 2 else (route, other, one))
    values = {
        f"{route} {metric}": median(
            watched.values[metric] / bare.values[metric]
            for which, watched, bare in rounds
            if which == route
        )
        for route in ROUTES
        for metric in ("per_s", "cpu")
    }
    failed = [one for _, *both in rounds for one in both if one.errors]
    return Sample(
        values, sum(one.errors for one in failed), next((one.error for one in failed), "")
    )


if __name__ == "__main__":
    answer(run(given(Watched)))
