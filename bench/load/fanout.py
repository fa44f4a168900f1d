"""Deliveries a second: so many messages are on their way to all subscribers of a room at once."""

import time

import msgspec

from bench.child import Sample, answer, given
from bench.load.cpu import Spent
from bench.load.crowd import READ, Crowd, open_files
from bench.load.loops import Window
from bench.load.served import Service, Side, serving

# Once in each delivery and nowhere else: bytes.count skips through what it cannot be in.
MARK = b"QZXJKVWYQZHGTP"
SPLIT = len(MARK) - 1  # of its bytes may be at the end of one read and the rest in the next
LATE_S = 10.0  # after the last message, before what has not come is missing


class Fanout(msgspec.Struct, frozen=True):
    """`in_flight`: each of them in a window of its own, over the same sockets."""

    side: Side
    subscribers: int
    in_flight: tuple[int, ...]
    window: Window


def said(number: int) -> bytes:
    """What is said: about as long as a short comment."""
    return b'{"mark":"%s","number":%d,"text":"The north hall is free from nine."}' % (MARK, number)


class Counting:
    """A room whose subscribers count what they get and say the next thing when all have got one."""

    def __init__(self, crowd: Crowd, service: Service, subscribers: int) -> None:
        self._crowd = crowd
        self._peers = crowd.enter(range(subscribers))
        self._acts = service.dialect.act
        self._index = {peer.sock.fileno(): at for at, peer in enumerate(self._peers)}
        self._rest = [peer.frames.rest for peer in self._peers]
        self.counts = [0] * subscribers
        self.sent_at: list[float] = []
        self.done_at: list[float] = []

    @property
    def deliveries(self) -> int:
        return sum(self.counts)

    def run(self, in_flight: int, until: float) -> None:
        """Keep so many on their way until then."""
        while (now := time.perf_counter()) < until:
            while len(self.sent_at) - len(self.done_at) < in_flight:
                self._say(now)
            self._read()

    def drain(self) -> None:
        """Read what is still on its way. Raises TimeoutError where something is missing."""
        late = time.perf_counter() + LATE_S
        while len(self.done_at) < len(self.sent_at):
            if time.perf_counter() > late:
                raise TimeoutError(f"{len(self.sent_at) - min(self.counts)} messages are missing")
            self._read()

    def _say(self, now: float) -> None:
        number = len(self.sent_at)
        peer = self._peers[number % len(self._peers)]
        peer.sock.send(self._acts(peer.number, said(number)))
        self.sent_at.append(now)

    def _read(self) -> None:
        counts, rest = self.counts, self._rest
        for descriptor, _ in self._crowd.epoll.poll(0.1):
            at = self._index[descriptor]
            data = self._peers[at].sock.recv(READ)
            if not data:
                raise ConnectionError("the server closed a subscriber's socket")
            data = rest[at] + data
            counts[at] += data.count(MARK)
            rest[at] = data[-SPLIT:]
        done = min(counts) - len(self.done_at)
        if done > 0:
            self.done_at += [time.perf_counter()] * done


def run(load: Fanout) -> Sample:
    """For each `in_flight` n: `n per_s` deliveries, `n p50`, `n p99` ms, `n <process> cpu` %."""
    open_files(load.subscribers + 100)
    values: dict[str, float] = {}
    with serving(load.side) as service, Crowd(service.port, service.dialect) as crowd:
        room = Counting(crowd, service, load.subscribers)
        for in_flight in load.in_flight:
            found = _measured(room, service, in_flight, load.window)
            values |= {f"{in_flight} {name}": value for name, value in found.items()}
        twice = room.deliveries - len(room.sent_at) * load.subscribers
    return Sample(values, int(twice != 0), "messages were delivered twice" if twice else "")


def _measured(room: Counting, service: Service, in_flight: int, window: Window) -> dict[str, float]:
    room.run(in_flight, time.perf_counter() + window.before_s)
    spent, before, first = Spent(service.processes), room.deliveries, len(room.done_at)
    start = time.perf_counter()
    room.run(in_flight, start + window.seconds)
    took, last = time.perf_counter() - start, len(room.done_at)
    cpu = spent.percent(took)
    per_s = (room.deliveries - before) / took
    room.drain()
    late = sorted(
        done - sent
        for sent, done in zip(room.sent_at[first:last], room.done_at[first:last], strict=True)
    )
    return {
        "per_s": per_s,
        "actions": (last - first) / took,
        **{f"p{of}": late[int(len(late) * of / 100)] * 1_000 for of in (50, 99) if late},
        **cpu,
    }


if __name__ == "__main__":
    answer(run(given(Fanout)))
