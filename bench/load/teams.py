"""The day of N teams: everybody has a socket in their team's room and hears what is said there,
while they read and change tasks and files by REST. Open loops, at once.
"""

import os
import select
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import cycle
from multiprocessing import get_context
from multiprocessing.connection import Connection

import msgspec
import psutil
import uvloop

from bench.child import Sample, answer, given
from bench.load.cpu import Spent, postgres
from bench.load.crowd import READ, Crowd, Peer, open_files
from bench.load.delays import LATE_S, NUMBERED, SPLIT, said
from bench.load.distribution import PERCENTS
from bench.load.loops import Window, timer
from bench.load.open import due
from bench.load.rest import Backend, Side, api, prepared
from bench.load.served import FormulaDialect
from infra.settings import Settings

ROUTES = ("task", "tasks", "metadata", "change")
LINES = 1_000  # connections for REST, at most


class Teams(msgspec.Struct, frozen=True):
    """`people`: of each team; `requests`, `actions`: of each team, a second."""

    settings: Settings
    teams: int
    people: int
    requests: int
    actions: int
    window: Window


def run(load: Teams) -> Sample:
    """`offered`, `good`, `refused` a second and `good p50` …; `failed`: % of what was asked;
    `told p50` …: ms until another one of the room has what was said; `missing`: deliveries;
    `<process> cpu`: %, of the `client` that asks and the `talker` that hears too.
    """
    everybody = load.teams * load.people
    open_files(2 * everybody + LINES + 100)
    with ExitStack() as stack:
        backend = prepared(load.settings, everybody, stack, load.teams)
        side = api(backend, stack)
        here, there = get_context("fork").Pipe()
        talking = get_context("fork").Process(target=_talk, args=(backend, side, load, there))
        talking.start()
        stack.callback(talking.join)
        stack.callback(talking.terminate)
        there.close()
        here.recv()  # all are in
        rate, lines = load.teams * load.requests, min(everybody, LINES)
        processes = {
            "api": side.process,
            "projector": backend.projector,
            "postgres": postgres(load.settings),
        }
        talker = psutil.Process(talking.pid)
        spent, start = Spent({**processes, "talker": talker}), time.perf_counter()
        values, tally = uvloop.run(due(side.port, _by_turns(side), rate, lines, load.window))
        cpu = spent.percent(time.perf_counter() - start)
        talked: dict[str, float] = here.recv()
    return tally.sample({**values, **talked, **cpu, "people": everybody})


def _by_turns(side: Side) -> Iterator[bytes]:
    """Each of them once, each time another route."""
    people = range(len(side.routes["task"]))
    for number, route in cycle((number, route) for route in ROUTES for number in people):
        yield next(side.routes[route][number])


def _talk(backend: Backend, side: Side, load: Teams, told: Connection) -> None:
    """In a process of its own: says when all are in, and at the end how late they heard."""
    by_turns = zip(*(one.tokens for one in backend.teams), strict=True)
    tokens = [token for people in by_turns for token in people]
    rooms = [f"project:{one.project}" for one in backend.teams]
    dialect = FormulaDialect(tokens, rooms)
    with Crowd(side.port, dialect) as crowd:
        talk = _Talk(crowd, dialect, crowd.enter(range(len(tokens))), load)
        told.send("in")
        told.send(talk.run())


class _Talk:
    """By turns one of each team says something; the others of the team note when they hear it."""

    def __init__(
        self, crowd: Crowd, dialect: FormulaDialect, peers: Sequence[Peer], load: Teams
    ) -> None:
        self._crowd, self._acts, self._load = crowd, dialect.act, load
        self._by_number = {peer.number: peer for peer in peers}
        self._rest = {peer.sock.fileno(): peer.frames.rest for peer in peers}
        self._rate = load.teams * load.actions
        self._late_ms = array("d")
        self._said = self._heard = 0

    def run(self) -> dict[str, float]:
        window, interval = self._load.window, 1 / self._rate
        start = time.perf_counter()
        self._start, self._since = start, start + window.before_s
        ticking = timer(start + interval, interval)
        self._crowd.epoll.register(ticking, select.EPOLLIN)
        end, last = self._since + window.seconds, self._since + window.seconds + LATE_S
        while (now := time.perf_counter()) < end or (self._missing and now < last):
            for descriptor, _ in self._crowd.epoll.poll(0.1):
                if descriptor != ticking:
                    self._hear(self._crowd.peers[descriptor])
                    continue
                for _ in range(int.from_bytes(os.read(ticking, 8), "little")):
                    if now < end:
                        self._say()
        self._crowd.epoll.unregister(ticking)
        os.close(ticking)
        late = sorted(self._late_ms)
        percents = {f"told p{of:g}": late[int(len(late) * of / 100)] for of in PERCENTS}
        return {**percents, "missing": self._missing}

    @property
    def _missing(self) -> int:
        return self._said * (self._load.people - 1) - self._heard

    def _say(self) -> None:
        self._said += 1
        speaker = self._by_number[self._speaker(self._said)]
        speaker.sock.send(self._acts(speaker.number, said(self._said)))

    def _speaker(self, action: int) -> int:
        return action % len(self._by_number)

    def _hear(self, peer: Peer) -> None:
        descriptor = peer.sock.fileno()
        data = self._rest[descriptor] + peer.sock.recv(READ)
        self._rest[descriptor] = data[-SPLIT:]
        now = time.perf_counter()
        for action in map(int, NUMBERED.findall(data)):
            if self._speaker(action) == peer.number:
                continue
            self._heard += 1
            at = self._start + action / self._rate
            if at >= self._since:
                self._late_ms.append((now - at) * 1_000)


if __name__ == "__main__":
    answer(run(given(Teams)))
