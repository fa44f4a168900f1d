"""From the moment an action is due to the moments in which other subscribers have it."""

import os
import re
import select
import time
from array import array

import msgspec

from bench.child import Sample, answer, given
from bench.load.cpu import Spent
from bench.load.crowd import READ, Crowd, Peer, open_files
from bench.load.distribution import PERCENTS
from bench.load.loops import Window, timer
from bench.load.served import Service, Side, serving

NUMBERED = re.compile(rb'QZXJ(\d{9})"')
SPLIT = 13  # bytes of a number that may be at the end of one read and the rest in the next
LOOK_EVERY = 100  # actions: how much memory the server takes
LATE_S = 10.0  # after the last action, before what has not come is missing
STALLED_BUFFER = 4_096  # bytes that the kernel takes in for one who never reads


class Delays(msgspec.Struct, frozen=True):
    """`stalled`: so many more subscribers, who never read anything."""

    side: Side
    subscribers: int
    rate: int  # actions a second
    window: Window
    stalled: int = 0


def said(number: int) -> bytes:
    return b'{"number":"QZXJ%09d","text":"The north hall is free from nine."}' % number


class Timing:
    """The first of a room's subscribers acts whenever that is due; the others note when they hear.

    The clock is the kernel's: a server that stalls delays no action, so each of them counts.
    """

    def __init__(self, crowd: Crowd, service: Service, load: Delays) -> None:
        self._crowd = crowd
        self._rate = load.rate
        peers = crowd.enter(range(load.subscribers))
        self._actor, self._others = peers[0], len(peers) - 1
        self._acts = service.dialect.act
        self._rest = {peer.sock.fileno(): peer.frames.rest for peer in peers}
        for peer in crowd.enter(range(load.stalled), STALLED_BUFFER):
            crowd.epoll.unregister(peer.sock)
        self._due = 0
        self._heard = 0  # by all others together
        self._process, self._before = service.process, service.process.memory_info().rss
        self.grown = 0  # bytes of the server's memory, at most
        self.late_ms = array("d")

    def run(self, window: Window) -> None:
        """Every action of the warming up and of the window."""
        start, interval = time.perf_counter(), 1 / self._rate
        ticking = timer(start + interval, interval)
        self._crowd.epoll.register(ticking, select.EPOLLIN)
        actions = round(self._rate * (window.before_s + window.seconds))
        try:
            while self._due < actions:
                self._turn(ticking, start, start + window.before_s)
        finally:
            self._crowd.epoll.unregister(ticking)
            os.close(ticking)
        self._drain(start, start + window.before_s)

    def _drain(self, start: float, since: float) -> None:
        late = time.perf_counter() + LATE_S
        while (missing := self._due * self._others - self._heard) > 0:
            if time.perf_counter() > late:
                raise TimeoutError(f"{missing} deliveries are missing")
            self._turn(-1, start, since)

    @property
    def twice(self) -> int:
        return self._heard - self._due * self._others

    def _turn(self, ticking: int, start: float, since: float) -> None:
        for descriptor, _ in self._crowd.epoll.poll(0.1):
            if descriptor == ticking:
                self._act(int.from_bytes(os.read(ticking, 8), "little"))
            else:
                self._hear(self._crowd.peers[descriptor], start, since)

    def _act(self, times: int) -> None:
        for _ in range(times):
            self._due += 1
            self._actor.sock.send(self._acts(self._actor.number, said(self._due)))
            if self._due % LOOK_EVERY == 0:
                rss = self._process.memory_info().rss
                self.grown = max(self.grown, rss - self._before)

    def _hear(self, peer: Peer, start: float, since: float) -> None:
        descriptor = peer.sock.fileno()
        data = self._rest[descriptor] + peer.sock.recv(READ)
        self._rest[descriptor] = data[-SPLIT:]
        if peer is self._actor:
            return
        now = time.perf_counter()
        for number in NUMBERED.findall(data):
            due = start + int(number) / self._rate
            self._heard += 1
            if due >= since:
                self.late_ms.append((now - due) * 1_000)


def run(load: Delays) -> Sample:
    """`p50`, `p99`: ms; `grown`: MiB more of the server's memory, at most; `<process> cpu` %."""
    open_files(load.subscribers + load.stalled + 100)
    with serving(load.side) as service, Crowd(service.port, service.dialect) as crowd:
        timing = Timing(crowd, service, load)
        spent, start = Spent(service.processes), time.perf_counter()
        timing.run(load.window)
        cpu = spent.percent(time.perf_counter() - start)
    late = sorted(timing.late_ms)
    values = {f"p{of:g}": late[int(len(late) * of / 100)] for of in PERCENTS}
    twice = timing.twice
    return Sample(
        {**values, "grown": timing.grown / 2**20, **cpu},
        int(twice != 0),
        "messages were delivered twice" if twice else "",
    )


if __name__ == "__main__":
    answer(run(given(Delays)))
