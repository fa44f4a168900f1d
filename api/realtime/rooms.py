"""Fan-out: what the bus brings goes to every socket of its room, in order, once, whole."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from itertools import takewhile
from typing import Any
from uuid import UUID

import msgspec
import structlog

from api.realtime import protocol as p
from api.realtime.locking import Granted
from api.realtime.member import Member
from api.realtime.meters import Meters
from api.realtime.newest import Newest
from api.realtime.presence import EVERY_S, Diff, someone_of
from api.realtime.reads import Reads
from api.realtime.ready import Frame, Ready, framed, visible
from api.realtime.receipts import Receipts
from api.realtime.turns import Turns
from api.realtime.wire import text_frame
from infra.bus import Entry, Kind, unpack
from infra.runtime import Runtime
from infra.subscriptions import subscriptions
from projections.members import MAX_LISTED, members_of, sizes
from projections.read import reading
from projections.room_log import heads, missed

RING = 1_024  # frames a room keeps for those who read slowly
HEADS_S = 1.0  # how often the log is asked where the rooms are
MEND = 1_000  # frames of one mending read
LIST_AGAIN = MAX_LISTED * 4 // 5  # members, of a room that had too many

_grants = msgspec.json.Decoder(Granted)

log = structlog.get_logger()


class Room:
    """A room with sockets on this node. All methods run on the event loop and never wait."""

    def __init__(self, name: str, mend: Callable[["Room"], None], meters: Meters) -> None:
        self.name = name
        self.last = 0  # position of the newest durable frame applied here
        self.told = 0  # position of the last `head` frame
        self.members: dict[UUID, Member] = {}
        self.size = 0  # members on all nodes, as they were counted last
        self.recount = True
        self.listed = True  # presence names people; else they are too many, and only counted
        self._mend, self._meters = mend, meters
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
        """Of what was kept back the newest of each person and kind."""
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
        if after < self.last and not (self._ring and self._ring[0].prev <= after):
            return None
        frames = list(takewhile(lambda frame: frame.pos > after, reversed(self._ring)))
        return frames[::-1]

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _motion(self, entry: Entry) -> None:
        now = asyncio.get_running_loop().time()
        self._newest.note(entry.payload, now)
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
            self._newest.gone(someone.user)
            if member := self.members.get(someone.participation):
                member.socket.reaped(someone.participation)
        if self.listed:
            self._diff.add(entry, someone, asyncio.get_running_loop().time())
            self._schedule()

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._tell_presence)

    def _tell_presence(self) -> None:
        self._timer = None
        presence = self._diff.take(self.name, asyncio.get_running_loop().time())
        if presence is not None:
            self.tell(presence)
        if self._diff.waits:
            self._schedule()


class Hub:
    """The rooms of this node: subscribed while they have sockets, checked against the log."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._rooms: dict[str, Room] = {}
        self._entering: dict[str, asyncio.Lock] = {}
        self.turns = Turns()  # of locks' streams
        self._tasks: set[asyncio.Task[None]] = set()
        self._mending: dict[str, bool] = {}  # by room: whether more is missing since the read
        self.receipts = Receipts(runtime)
        self.meters = Meters()
        self.meters.gauge("rooms", "rooms with sockets here", lambda: len(self._rooms))
        self.meters.gauge("members", "sockets in rooms", self._members)
        self.reads = Reads(runtime)
        self.bus = subscriptions(runtime.bus, runtime.settings.redis_prefix, self._heard)

    async def run(self) -> None:
        """Listen to the bus and watch the heads, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.bus.run())
            group.create_task(self._watch_heads())
            group.create_task(self.receipts.run())

    async def enter(self, name: str, member: Member) -> Room:
        """Put the member into the room, subscribing first: nothing is missed from here on."""
        lock = self._entering.setdefault(name, asyncio.Lock())
        async with lock:
            room = self._rooms.get(name)
            if room is None:
                room = Room(name, self._mend, self.meters)
                self._rooms[name] = room
                await self.bus.subscribe(name)
                room.last = max(room.last, await self.reads.head(name))
            room.members[member.participation] = member
        return room

    def leave(self, room: Room, member: Member) -> None:
        """Unless another has taken its place: a reader that came again before it was missed."""
        if room.members.get(member.participation) is member:
            del room.members[member.participation]
        if not room.members:
            self._spawn(self._forget(room))

    async def _forget(self, room: Room) -> None:
        async with self._entering.setdefault(room.name, asyncio.Lock()):
            if room.members or self._rooms.get(room.name) is not room:
                return
            del self._rooms[room.name]
            room.stop()
            await self.bus.unsubscribe(room.name)
        if room.name not in self._rooms:
            self._entering.pop(room.name, None)

    def _heard(self, name: str, message: bytes) -> None:
        room = self._rooms.get(name)
        if room is not None:
            entries, last = unpack(message), room.last
            room.take_in(entries)
            self.reads.progress.reached(max((one.pos for one in entries), default=0))
            self.meters.timed(entries, last, room.last, self._runtime.now)

    def _members(self) -> int:
        return sum(len(room.members) for room in self._rooms.values())

    async def _watch_heads(self) -> None:
        """A projector that died between commit and publish, or a lost message, shows here."""
        while True:
            await asyncio.sleep(HEADS_S)
            try:
                await self._check_heads()
            except Exception as error:  # noqa: BLE001, the next second asks again
                log.warning("heads_not_read", error=repr(error))

    async def _check_heads(self) -> None:
        names = list(self._rooms)
        if not names:
            return
        changed = [room for room in self._rooms.values() if room.recount]
        for room in changed:
            room.recount = False  # who comes from here on is counted next time
        try:
            async with reading(self._runtime) as db:
                found = await heads(db, names)
                counted = await sizes(db, [room.name for room in changed]) if changed else {}
        except BaseException:
            for room in changed:
                room.recount = True
            raise
        for name, pos in found.items():
            if room := self._rooms.get(name):
                self._at(room, pos)
        for room in changed:
            await self._count(room, counted.get(room.name, 0))

    def _at(self, room: Room, pos: int) -> None:
        if pos > room.last:
            self._mend(room)
        elif room.told < room.last:
            room.told = room.last
            room.tell(p.Head(room=room.name, pos=room.last))

    async def _count(self, room: Room, members: int) -> None:
        """People are named, or counted where they are too many."""
        room.sized(members)
        if room.shrunk:
            room.listed = True
            async with reading(self._runtime) as db:
                them = await members_of(db, room.name)
            joins = [msgspec.Raw(msgspec.json.encode(one)) for one in them]
            room.tell(p.Presence(room=room.name, pos=room.last, join=joins))
        elif not room.listed:
            room.tell(p.Presence(room=room.name, pos=room.last, count=room.size))

    def _mend(self, room: Room) -> None:
        if room.name in self._mending:
            self._mending[room.name] = True
        else:
            self._mending[room.name] = False
            self.meters.gaps.value += 1
            self._spawn(self._mend_from_log(room))

    async def _mend_from_log(self, room: Room) -> None:
        try:
            while True:
                self._mending[room.name] = False
                async with reading(self._runtime) as db:
                    frames = await missed(db, room.name, room.last, MEND)
                self.meters.healed.value += len(frames)
                after = room.last
                for one in frames:
                    # the log is the truth: what it holds next is next, whatever its prev says
                    prev = min(one.prev, room.last)
                    room.take_in([msgspec.structs.replace(one.entry, prev=prev)])
                self.meters.timed(
                    (one.entry for one in frames), after, room.last, self._runtime.now
                )
                if len(frames) < MEND and not self._mending[room.name]:
                    return
        except Exception as error:  # noqa: BLE001, the heads are asked again within a second
            log.warning("room_not_mended", room=room.name, error=repr(error))
        finally:
            del self._mending[room.name]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
