"""Fan-out: what the bus brings goes to every socket of its room, in order, once, whole."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from itertools import takewhile
from uuid import UUID

import msgspec

from api.realtime import protocol as p
from api.realtime.locking import Granted
from api.realtime.member import Member
from api.realtime.meters import Meters
from api.realtime.newest import Newest
from api.realtime.presence import Diff, Tempo, someone_of
from api.realtime.ready import Frame, Ready, framed, visible
from api.realtime.wire import text_frame
from infra.bus import Entry, Kind
from projections.members import MAX_LISTED

RING = 1_024  # frames a room keeps for those who read slowly
LIST_AGAIN = MAX_LISTED * 4 // 5  # members, of a room that had too many

_grants = msgspec.json.Decoder(Granted)


class Room:
    """A room with sockets on this node. All methods run on the event loop and never wait."""

    def __init__(
        self,
        name: str,
        mend: Callable[["Room"], None],
        meters: Meters,
        tempo: Tempo,
        head: int = 0,
    ) -> None:
        self.name = name
        self.last = head  # position of the newest durable frame applied here
        self._looked = head  # what that was when the log was asked last
        self.told = 0  # position of the last `head` frame
        self.members: dict[UUID, Member] = {}
        self.size = 0  # members on all nodes, as they were counted last
        self.recount = True
        self.listed = True  # presence names people; else they are too many, and only counted
        self._mend, self._meters, self._tempo = mend, meters, tempo
        self._newest = Newest()
        self._ring: deque[Frame] = deque(maxlen=RING)
        self._diff = Diff()
        self._timer: asyncio.TimerHandle | None = None

    def take_in(self, entries: Iterable[Entry]) -> None:
        """What one message brought: its durable frames go to each socket in one piece."""
        run: list[Frame] = []
        for entry in entries:
            match entry.kind:
                case Kind.EVENT:
                    run += self._next(entry)
                case Kind.RIGHTS | Kind.GRANT if frame := self._next(entry):
                    self._give_all([*run, *frame])
                    run = []
                    self._concerns(entry)
                case Kind.RIGHTS | Kind.GRANT:
                    pass  # known, or beyond a gap
                case Kind.MOTION:
                    self._give_all(run)
                    run = []
                    self._motion(entry)
                case Kind.SEEN if self.listed:
                    self._diff.saw(entry)
                    self._schedule()
                case Kind.SEEN:
                    pass  # who is not named is not told of
                case _:
                    self._presence(entry)
        self._give_all(run)

    def _next(self, entry: Entry) -> list[Frame]:
        """The frame, if it is the chain's next; a gap is mended from the log before it is seen."""
        if entry.pos <= self.last:
            return []
        if entry.prev > self.last:
            self._mend(self)
            return []
        self.last = entry.pos
        frame = framed(self.name, entry)
        self._ring.append(frame)
        return [frame]

    def _give_all(self, run: list[Frame]) -> None:
        if not run:
            return
        ready, passed = Ready(self.name, run), 0
        for member in self.members.values():
            if member.after < 0:
                member.held += run
                passed += 1
            elif member.behind or member.socket.paused:
                member.behind = True
                passed += 1
                self._meters.postponed.value += len(run)
            else:
                self._give(member, ready)
        self._meters.gave(ready, len(self.members) - passed)

    def _give(self, member: Member, ready: Ready) -> None:
        if frames := ready.above(member.after, member.audience):
            member.after = ready.last
            member.socket.send(frames)

    def start(self, member: Member, after: int) -> None:
        """The member's snapshot or replay is sent up to `after`: what came meanwhile, then live."""
        member.after = after
        held, member.held = member.held, []
        if held and member.socket.paused:
            member.behind = True
        elif held:
            ready = Ready(self.name, held)
            self._give(member, ready)
            self._meters.gave(ready, 1)
        if not (member.behind or member.socket.paused):
            self._catch_up_motion(member)

    def drained(self, member: Member) -> None:
        """The socket reads again: feed it from the ring, or say that it has to ask."""
        if not member.behind or self._fed(member):
            self._catch_up_motion(member)

    def _catch_up_motion(self, member: Member) -> None:
        """Of what was kept back the newest of each participation and kind."""
        if member.unmoved is None:
            return
        since, member.unmoved = member.unmoved, None
        for frame in self._newest.since(since, asyncio.get_running_loop().time()):
            ready = text_frame(frame)
            member.socket.send(ready)
            self._meters.sent("motion", 1, len(ready))

    def _fed(self, member: Member) -> bool:
        """Whether it has all durable frames now."""
        if self._ring and self._ring[0].prev > member.after:
            lagged = p.Lagged(room=self.name, from_=member.after, pos=self.last)
            member.socket.send(text_frame(p.encode_frame(lagged)))
            member.after = self.last
            self._meters.lagged.value += 1
        for frame in [frame for frame in self._ring if frame.pos > member.after]:
            if member.socket.paused:
                return False
            member.after = frame.pos
            member.socket.send(visible(self.name, frame, member.audience))
            self._meters.sent("event", 1, len(frame.bytes))
        member.behind = False
        return True

    def moving(self) -> list[msgspec.Raw]:
        """The newest motion of everybody, for a newcomer."""
        now = asyncio.get_running_loop().time()
        return [msgspec.Raw(frame) for frame in self._newest.since(0.0, now)]

    def sized(self, members: int) -> None:
        """The room was counted."""
        self.size = members
        if self.listed and members > MAX_LISTED:
            self.listed, self._diff = False, Diff()

    @property
    def shrunk(self) -> bool:
        """Few enough again to be named."""
        return not self.listed and self.size <= LIST_AGAIN

    def tell(self, frame: p.ServerFrame) -> None:
        """What may be missed by who reads too slowly."""
        ready, passed = text_frame(p.encode_frame(frame)), 0
        for member in self.members.values():
            if member.after >= 0 and not member.socket.paused:
                member.socket.send(ready)
            else:
                passed += 1
        kind = str(frame.__struct_config__.tag)
        self._meters.sent(kind, len(self.members) - passed, len(ready))

    def since(self, after: int) -> list[Frame] | None:
        """The frames above `after`; None where they are not all here, or it is ahead of them."""
        if after > self.last:
            return None
        if after == self.last:
            return []
        if not (self._ring and self._ring[0].prev <= after and self._ring[-1].pos == self.last):
            return None
        frames = list(takewhile(lambda frame: frame.pos > after, reversed(self._ring)))
        return frames[::-1]

    def is_at(self, head: int) -> None:
        """Where the log has it. While frames come they tell that themselves."""
        quiet, self._looked = self.last == self._looked, self.last
        if head > self.last:
            self._mend(self)
        elif quiet and self.told < self.last:
            self.told = self.last
            self.tell(p.Head(room=self.name, pos=self.last))

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _motion(self, entry: Entry) -> None:
        now = asyncio.get_running_loop().time()
        if not self._newest.note(entry.payload, now):
            return
        frame, kept = text_frame(entry.payload), 0
        for member in self.members.values():
            if member.after >= 0 and not (member.socket.paused or member.behind):
                member.socket.send(frame)
            else:
                kept += 1
                if member.unmoved is None:
                    member.unmoved = now
        self._meters.sent("motion", len(self.members) - kept, len(frame))
        self._meters.dropped.value += kept

    def _concerns(self, entry: Entry) -> None:
        """It is one's own room: all its members are connections of the person concerned."""
        for member in list(self.members.values()):
            if entry.kind is Kind.GRANT:
                member.socket.granted(_grants.decode(entry.payload))
            else:
                member.socket.rights_changed(UUID(bytes=entry.payload))

    def _presence(self, entry: Entry) -> None:
        self.recount = True
        someone = someone_of(entry)
        if entry.kind is Kind.LEAVE:
            self._newest.gone(someone.participation)
            if member := self.members.get(someone.participation):
                member.socket.reaped(someone.participation)
        if self.listed:
            self._diff.add(entry, someone, asyncio.get_running_loop().time())
            self._schedule()

    def _schedule(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            wait_s = self._tempo.wait_s(len(self.members), loop.time())
            self._timer = loop.call_later(wait_s, self._tell_presence)

    def _tell_presence(self) -> None:
        self._timer = None
        presence = self._diff.take(self.name, asyncio.get_running_loop().time())
        if presence is not None:
            self.tell(presence)
        if self._diff.waits:
            self._schedule()
