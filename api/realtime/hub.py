"""The rooms of a node: entered and left, fed by the bus, checked against the log."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable
from time import time_ns
from typing import Any
from weakref import WeakValueDictionary

import msgspec
import structlog

from api.realtime import protocol as p
from api.realtime.member import Member
from api.realtime.meters import Meters
from api.realtime.presence import Tempo
from api.realtime.reads import Reads
from api.realtime.receipts import Receipts
from api.realtime.rooms import RING, Room
from api.realtime.turns import Turns
from api.realtime.waves import Waves
from api.refusals import Refusals
from infra.bus import Entry, take_traces, unpack
from infra.runtime import Runtime
from infra.subscriptions import subscriptions
from infra.tracing import share
from projections.members import members_of, sizes
from projections.read import reading
from projections.room_log import heads, missed

HEADS_S = 1.0  # how often the log is asked where the rooms are
MEND = 1_000  # frames of one mending read

log = structlog.get_logger()


class Hub:
    """The rooms of this node: subscribed while they have sockets, checked against the log."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._rooms: dict[str, Room] = {}
        self._opening: dict[str, deque[Entry]] = {}  # what was heard before the head was known
        self._entering = WeakValueDictionary[str, asyncio.Lock]()  # a lock lives while it is used
        self.waves = Waves()  # of those who come
        self.turns = Turns()  # of locks' streams, and of readers' connections
        self._tasks: set[asyncio.Task[None]] = set()
        self._mending: dict[Room, bool] = {}  # whether more is missing since the read
        self.receipts = Receipts(runtime)
        self.meters, self.refusals = Meters(), Refusals()
        self.meters.gauge("rooms", "rooms with sockets here", lambda: len(self._rooms))
        self.meters.gauge("members", "sockets in rooms", self._members)
        self.reads, self._tempo = Reads(runtime), Tempo()
        self.bus = subscriptions(runtime.bus, runtime.settings.redis_prefix, self._heard)

    async def run(self) -> None:
        """Listen to the bus and watch the heads, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.bus.run())
            group.create_task(self._watch_heads())
            group.create_task(self.receipts.run())

    async def enter(self, name: str, member: Member) -> Room:
        """Put the member into the room, subscribing first: nothing is missed from here on."""
        async with self._entering.setdefault(name, asyncio.Lock()):
            room = self._rooms.get(name) or await self._opened(name)
            room.members[member.participation] = member
        return room

    async def _opened(self, name: str) -> Room:
        """Its head is read once it is subscribed to, and what was heard goes on from there.

        Before, it is none of the rooms: checked against the log it would lack all of it.
        """
        heard = self._opening[name] = deque[Entry](maxlen=RING)  # what that loses is mended
        try:
            await self.bus.subscribe(name)
            head = await self.reads.head(name)
            room = Room(name, self._mend, self.meters, self._tempo, head)
        except BaseException:
            self._spawn(self._forget(name))
            raise
        finally:
            del self._opening[name]
        self._rooms[name] = room
        self._take_in(room, heard)
        return room

    def leave(self, room: Room, member: Member) -> None:
        """Unless another has taken its place: a reader that came again before it was missed."""
        if room.members.get(member.participation) is member:
            del room.members[member.participation]
        if not room.members:
            self._spawn(self._forget(room.name))

    async def _forget(self, name: str) -> None:
        """Unless somebody has come meanwhile."""
        async with self._entering.setdefault(name, asyncio.Lock()):
            room = self._rooms.get(name)
            if room is not None and room.members:
                return
            if room is not None:
                del self._rooms[name]
                room.stop()
            await self.bus.unsubscribe(name)

    def _heard(self, name: str, message: bytes) -> None:
        entries, started = unpack(message), time_ns()
        traces = take_traces(entries)
        if (heard := self._opening.get(name)) is not None:
            heard.extend(entries)
        elif room := self._rooms.get(name):
            self._take_in(room, entries)
        self.reads.progress.reached(max((one.pos for one in entries), default=0))
        if traces:
            share(f"push {name.partition(':')[0]}", traces, started, {"entries": len(entries)})

    def _take_in(self, room: Room, entries: Iterable[Entry]) -> None:
        after = room.last
        room.take_in(entries)
        self.meters.timed(entries, after, room.last, self._runtime.now)

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
                room.is_at(pos)
        for room in changed:
            await self._count(room, counted.get(room.name, 0))

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
        if room in self._mending:
            self._mending[room] = True
        else:
            self._mending[room] = False
            self.meters.gaps.value += 1
            self._spawn(self._mend_from_log(room))

    async def _mend_from_log(self, room: Room) -> None:
        try:
            while True:
                self._mending[room] = False
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
                if len(frames) < MEND and not self._mending[room]:
                    return
        except Exception as error:  # noqa: BLE001, the heads are asked again within a second
            log.warning("room_not_mended", room=room.name, error=repr(error))
        finally:
            del self._mending[room]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
