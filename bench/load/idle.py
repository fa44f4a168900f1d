"""Connections that do nothing: how fast they come, and what memory the server keeps for each."""

import time

import msgspec

from bench.child import Sample, answer, given
from bench.load.cpu import Spent
from bench.load.crowd import Crowd, open_files
from bench.load.served import Side, serving

SPARE = 500  # files a process needs beside its sockets
QUIET_S = 2.0  # without a frame to anybody: what coming caused is over


class Idle(msgspec.Struct, frozen=True):
    side: Side
    connections: int


def run(load: Idle) -> Sample:
    """`per_s`: connections that came in a second; `kib`: of each; `connections`: that fitted."""
    count = min(load.connections, open_files(load.connections + SPARE) - SPARE)
    quiet = _Quiet()
    with (
        serving(load.side) as service,
        Crowd(service.port, service.dialect, quiet.note) as crowd,
    ):
        before = service.process.memory_info().rss
        spent, start = Spent(service.processes), time.perf_counter()
        crowd.enter(range(count))
        took = time.perf_counter() - start
        cpu = spent.percent(took)
        quiet.wait(crowd)
        kib = (service.process.memory_info().rss - before) / 1024 / count
    return Sample({"per_s": count / took, "kib": kib, "connections": count, **cpu})


class _Quiet:
    """When anybody was last told of anything but the time."""

    def __init__(self) -> None:
        self.since = time.perf_counter()

    def note(self, _number: int, text: bytes) -> None:
        if not text.startswith(b'{"op":"head"'):
            self.since = time.perf_counter()

    def wait(self, crowd: Crowd) -> None:
        while time.perf_counter() - self.since < QUIET_S:
            crowd.hear(QUIET_S / 4)


if __name__ == "__main__":
    answer(run(given(Idle)))
