"""A room of people: until a lock is in the next one's hands, and all have seen who came or went."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from functools import partial
from uuid import UUID, uuid4

import msgspec

from bench.child import Sample, answer, given
from bench.load import ws
from bench.load.crowd import Crowd, Peer
from bench.load.distribution import distribution
from bench.load.loops import Latencies
from bench.load.served import Formula, serving

HAND_OVER_S, MOVE_S = 0.1, 1.0  # from one that is due to the next: presence is told in batches
WARM_UP = 2  # turns, of each kind
LATE_S = 10.0  # then it is missing
RESOURCE = "page"


class Together(msgspec.Struct, frozen=True):
    """`moves`: each is one of going or coming, by turns; even, as all are in afterwards."""

    side: Formula
    people: int
    hand_overs: int
    moves: int


class _Held(msgspec.Struct, frozen=True):
    token: int
    participation: UUID | None = None


class _Frame(msgspec.Struct, frozen=True):
    """What is read of any frame."""

    op: str
    room: str = ""
    type: str = ""
    lock: _Held | None = None
    participation: UUID | None = None
    data: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    join: Sequence[msgspec.Raw] = ()
    leave: Sequence[msgspec.Raw] = ()


class Seen:
    """What everybody was told, by their numbers."""

    def __init__(self) -> None:
        self.room = ""
        self.acks = self.token = self.holder = 0
        self.told: Counter[tuple[int, str]] = Counter()  # presence by number and kind
        self._here: dict[int, UUID | None] = {}

    def note(self, number: int, text: bytes) -> None:
        frame = msgspec.json.decode(text, type=_Frame)
        in_room = frame.room.startswith("project:")
        match frame.op:
            case "joined" if in_room:
                self.room, self._here[number] = frame.room, frame.participation
            case "ack":
                self.acks += 1
                self._holds(number, frame.lock)
            case "ev" if frame.type == "lock.granted":
                held = msgspec.json.decode(frame.data, type=_Held)
                if held.participation == self._here.get(number):
                    self._holds(number, held)
            case "presence" if in_room:
                self.told[number, "join"] += len(frame.join)
                self.told[number, "leave"] += len(frame.leave)
            case _:
                pass

    def _holds(self, number: int, held: _Held | None) -> None:
        """A grant is told twice: in the room, and in one's own."""
        if held is not None and held.token > self.token:
            self.token, self.holder = held.token, number


class Play:
    """One thing after another, each when it is due: what is late makes the next ones late."""

    def __init__(self, crowd: Crowd, seen: Seen, load: Together) -> None:
        self._crowd, self._seen, self._load = crowd, seen, load
        peers = crowd.enter(range(load.people))
        self._peers = sorted(peers, key=lambda peer: peer.number)  # they come in as they may

    def moves(self) -> dict[str, float]:
        """One of them goes and comes, until the last of the others was told."""
        since = time.perf_counter() + WARM_UP * MOVE_S
        found = {"leave": Latencies(since), "join": Latencies(since)}
        for number, due in enumerate(self._dues(self._load.moves, MOVE_S)):
            kind, before = ("leave", "join")[number % 2], self._seen.told.copy()
            self._say(self._peers[0], kind)
            self._until(partial(self._all_told, kind, before))
            found[kind].record(due)
        return distribution(found["leave"], "left") | distribution(found["join"], "came")

    def hand_overs(self) -> dict[str, float]:
        """All want it; whoever has it gives it back, and queues again."""
        seen, acks = self._seen, self._seen.acks
        for peer in self._peers:
            self._say(peer, "lock", wait=True)
        self._until(lambda: seen.acks >= acks + len(self._peers))
        found = Latencies(time.perf_counter() + WARM_UP * HAND_OVER_S)
        for due in self._dues(self._load.hand_overs, HAND_OVER_S):
            token, holder = seen.token, self._peers[seen.holder]
            self._say(holder, "unlock", token=token)
            self._say(holder, "lock", wait=True)
            self._until(partial(self._handed_on, token))
            found.record(due)
        return distribution(found, "handed")

    def _all_told(self, kind: str, before: Counter[tuple[int, str]]) -> bool:
        told = self._seen.told
        return all(told[n, kind] > before[n, kind] for n in range(1, len(self._peers)))

    def _handed_on(self, token: int) -> bool:
        return self._seen.token > token

    def _dues(self, turns: int, every_s: float) -> Generator[float]:
        start = time.perf_counter()
        for number in range(WARM_UP + turns):
            due = start + number * every_s
            while (left := due - time.perf_counter()) > 0:
                self._crowd.hear(left)
            yield due

    def _say(self, peer: Peer, op: str, **fields: object) -> None:
        if op in {"lock", "unlock"}:
            fields["resource"] = RESOURCE
        frame = {"op": op, "id": uuid4(), "room": self._seen.room, **fields}
        peer.sock.send(ws.text(msgspec.json.encode(frame)))

    def _until(self, done: Callable[[], bool]) -> None:
        late = time.perf_counter() + LATE_S
        while not done():
            if time.perf_counter() > late:
                raise TimeoutError(f"not everybody was told within {LATE_S:.0f} s")
            self._crowd.hear(0.1)


def run(load: Together) -> Sample:
    """`left p50` …, `came p50` …, `handed p50` …: ms since it was due."""
    seen = Seen()
    with (
        serving(load.side) as service,
        Crowd(service.port, service.dialect, seen.note) as crowd,
    ):
        play = Play(crowd, seen, load)
        return Sample(play.moves() | play.hand_overs())


if __name__ == "__main__":
    answer(run(given(Together)))
