"""Three times as many requests as one API process answers: what it answers then, and how fast."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import cycle

import msgspec
import psutil
import uvloop

from bench.child import Sample, answer, given
from bench.load.cpu import Spent, postgres
from bench.load.loops import Window
from bench.load.open import due
from bench.load.requests import asked
from bench.load.rest import Side, api, prepared
from infra.settings import Settings

TIMES = 3
READS = 4  # of a task, to each change of one
LINES = 1_000  # connections


class Overload(msgspec.Struct, frozen=True):
    settings: Settings
    callers: int  # who are answered as fast as they ask: the peak
    window: Window


def run(load: Overload) -> Sample:
    """`peak`, then at TIMES its rate `offered`, `good`, `refused` and latencies; `after`: peak.
    `<process> cpu`: %, meanwhile, of the `client` that asks too.
    """
    with ExitStack() as stack:
        backend = prepared(load.settings, load.callers, stack)
        side = api(backend, stack)
        processes = {
            "api": side.process,
            "projector": backend.projector,
            "postgres": postgres(load.settings),
        }
        return uvloop.run(_measured(side, processes, load.window))


async def _measured(side: Side, processes: Mapping[str, psutil.Process], window: Window) -> Sample:
    people = [mixed(side, number) for number in range(len(side.routes["task"]))]
    before = await asked(side.port, people, window)
    peak = before.values["per_s"]
    spent, start = Spent(processes), time.perf_counter()
    values, tally = await due(side.port, _by_turns(people), round(TIMES * peak), LINES, window)
    cpu = spent.percent(time.perf_counter() - start)
    after = await asked(side.port, people, window)
    for one in (before, after):
        tally.errors += one.errors
        tally.error = tally.error or one.error
    both = max(peak, after.values["per_s"])
    found = {
        **values,
        **cpu,
        "peak": both,
        "after": after.values["per_s"],
        "share": values["good"] / both,
    }
    return tally.sample(found)


def mixed(side: Side, number: int) -> Iterator[bytes]:
    """What one of them asks for: tasks, and every so often a change of one."""
    reads, changes = side.routes["task"][number], side.routes["change"][number]
    while True:
        for _ in range(READS):
            yield next(reads)
        yield next(changes)


def _by_turns(people: Sequence[Iterator[bytes]]) -> Iterator[bytes]:
    for one in cycle(people):
        yield next(one)


if __name__ == "__main__":
    answer(run(given(Overload)))
