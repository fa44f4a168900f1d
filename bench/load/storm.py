"""A storm: everybody's connection drops at once, and everybody comes back while work goes on."""

import re
import time
from threading import Event, Thread

import msgspec

from bench.child import Sample, answer, given
from bench.load.checked import Seen, faults
from bench.load.cpu import Spent
from bench.load.crowd import Crowd, Peer, open_files
from bench.load.served import Service, Side, serving

SPARE = 500  # files a process needs beside its sockets
AT_ONCE = 1_000  # a server's backlog holds as many
LATE_S = 180.0
QUIET_S = 15.0  # without an action that somebody lacks: then it does not come any more
JOINED = re.compile(rb'^\{"op":"joined","room":"project:[^"]*","pos":(\d+).*?"mode":"(\w+)"')


class Storm(msgspec.Struct, frozen=True):
    """`rate`: actions a second in all rooms, before, during and after it."""

    side: Side
    clients: int
    rate: int
    seconds: float


class Actors(Thread):
    """One in each room, on connections of their own that stay; they act by turns."""

    def __init__(self, service: Service, rooms: int, rate: int) -> None:
        super().__init__(daemon=True)
        self.acted: list[list[int]] = [[] for _ in range(rooms)]
        self._service, self._rate = service, rate
        self._enough, self._silent, self._over = Event(), Event(), Event()

    def run(self) -> None:
        with Crowd(self._service.port, self._service.dialect) as crowd:
            actors = crowd.enter(range(len(self.acted)))
            start, number = time.perf_counter(), 0
            while not self._enough.is_set():
                for actor in actors:
                    _hear(crowd, start + number / self._rate - time.perf_counter())
                    self._act(actor, number)
                    number += 1
            self._silent.set()
            while not self._over.is_set():  # a socket closed before could take its last words along
                crowd.hear(0.05)

    def _act(self, actor: Peer, number: int) -> None:
        act = self._service.dialect.act
        actor.sock.send(act(actor.number, b'{"number":%d}' % number))
        self.acted[actor.number].append(number)

    def hush(self) -> None:
        """Returns when each has said a last thing."""
        self._enough.set()
        if not self._silent.wait(LATE_S):
            raise TimeoutError("the actors stopped before")

    def leave(self) -> None:
        self._over.set()
        self.join()


class Checked:
    """What each client has seen."""

    def __init__(self, rooms: int, clients: int) -> None:
        self.rooms = rooms
        self.numbers = range(rooms, rooms + clients)  # the first ones are the actors'
        self.seen = {number: Seen() for number in self.numbers}
        self.whole = 0  # snapshots in place of what was missed

    def note(self, number: int, text: bytes) -> None:
        if (joined := JOINED.match(text)) is not None:
            self.whole += bool(self.seen[number].last) and joined[2] != b"resume"
            self.seen[number].joined_at(int(joined[1]))
        else:
            self.seen[number].take(text)

    @property
    def heard(self) -> int:
        """Actions, of all clients together."""
        return sum(len(one.numbers) for one in self.seen.values())

    def have(self, acted: list[list[int]]) -> bool:
        """Whether everybody has the last action of their room."""
        return all(
            one.numbers and one.numbers[-1] == acted[number % self.rooms][-1]
            for number, one in self.seen.items()
        )

    def values(self, acted: list[list[int]]) -> dict[str, float]:
        """Sums over all clients."""
        found = [
            faults(one.numbers, acted[number % self.rooms]) for number, one in self.seen.items()
        ]
        missed, twice, disordered = (float(sum(kind)) for kind in zip(*found, strict=True))
        gaps = float(sum(one.gaps for one in self.seen.values()) + self.whole)
        return {"missed": missed, "twice": twice, "disordered": disordered, "gaps": gaps}


def run(load: Storm) -> Sample:
    """`in_s`, `seconds`: until all were in, and had everything; faults of all clients; CPU.

    Where somebody has not had everything when nothing more comes, there are no `seconds`.
    """
    rooms = load.side.rooms
    clients = min(load.clients, open_files(load.clients + SPARE) - SPARE)
    checked = Checked(rooms, clients)
    with (
        serving(load.side) as service,
        Crowd(service.port, service.dialect, checked.note) as crowd,
    ):
        crowd.enter(checked.numbers)
        actors = Actors(service, rooms, load.rate)
        actors.start()
        _hear(crowd, load.seconds)
        for number, one in checked.seen.items():
            service.dialect.held[number] = one.last
        spent, start = Spent(service.processes), time.perf_counter()
        crowd.close(list(crowd.peers.values()))
        crowd.enter(checked.numbers, at_once=AT_ONCE)
        in_s = time.perf_counter() - start
        actors.hush()
        have_all = _catch_up(crowd, checked, actors.acted)
        took = time.perf_counter() - start
        actors.leave()
        values = {"in_s": in_s, "clients": clients, **spent.percent(took)}
        if have_all:
            values["seconds"] = took
    return Sample(values | checked.values(actors.acted))


def _hear(crowd: Crowd, seconds: float) -> None:
    until = time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        crowd.hear(left)


def _catch_up(crowd: Crowd, checked: Checked, acted: list[list[int]]) -> bool:
    """Whether everybody has come to have the last action of their room."""
    heard, since = 0, time.perf_counter()
    while not checked.have(acted):
        if checked.heard > heard:
            heard, since = checked.heard, time.perf_counter()
        elif time.perf_counter() - since > QUIET_S:
            return False
        crowd.hear(0.1)
    return True


if __name__ == "__main__":
    answer(run(given(Storm)))
