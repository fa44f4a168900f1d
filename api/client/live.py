"""Live: the verbs of a connection, and its rooms kept whole across drops."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import msgspec

from api.client.errors import ClientError, NotConnected, Refused
from api.client.frames import Frame
from api.client.link import Link
from api.client.room import Gap, Room
from api.client.waits import Wait, Waits
from api.realtime import protocol as p
from infra.runtime import Clock, uuid7
from projections.frames import Ev, Mo

ANSWER_S = 30.0  # a drop and a reconnect fit in

F = TypeVar("F", bound=Frame)


class Live:
    """Made by Client.connect; open inside `async with`."""

    def __init__(self, link: Link, device: str, connect_s: float) -> None:
        self.rooms: dict[str, Room] = {}
        self.welcome: p.Welcome | None = None
        self._link, self._device, self._connect_s = link, device, connect_s
        self._hello: UUID | None = None
        self._again = False  # this connection is not the first
        self._resuming: deque[str] = deque()  # answered in this order, each by `joined` or `err`
        self._pings: dict[int, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._clock = Clock()
        self._waits = Waits()
        self._tokens: dict[tuple[str, str], int] = {}  # of locks held, by room and resource
        self._status: p.Status | None = None  # what one last said, to be said again after a drop

    async def __aenter__(self) -> Self:
        await self._link.open(self._hear, self._greet, self._connect_s)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._link.close()
        for task in self._tasks:
            task.cancel()
        for room in self.rooms.values():
            room.end()

    def new_id(self) -> UUID:
        return uuid7(self._clock.now())

    async def join(
        self, name: str, *, after: int | None = None, location: str = "", follow: bool = True
    ) -> Room:
        """The room, joined: from `after` on where that is possible, else as it is now.

        Whoever does not mean to read it says `follow=False`: unread frames stop the connection.
        """
        if name in self.rooms:
            return self.rooms[name]
        room = self.rooms[name] = Room(name, follow=follow, location=location)
        room.last = after
        try:
            await self._ask(p.Join(id=self.new_id(), room=name, after=after, location=location))
        except BaseException:
            del self.rooms[name]
            raise
        return room

    async def leave(self, room: Room | str) -> None:
        await self._acked(p.Leave(id=self.new_id(), room=_name(room)))
        left = self.rooms.pop(_name(room), None)
        self._tokens = {key: one for key, one in self._tokens.items() if key[0] != _name(room)}
        if left is not None:
            left.end()

    async def act(
        self, room: Room | str, kind: str, data: object = None, *, id_: UUID | None = None
    ) -> p.Ack:
        """Durable when this returns, at `pos`. The same `id_` again is the same action."""
        raw = msgspec.Raw(msgspec.json.encode(data if data is not None else {}))
        act = p.Act(id=id_ or self.new_id(), room=_name(room), kind=kind, data=raw)
        return await self._acked(act)

    async def lock(
        self,
        room: Room | str,
        resource: str,
        *,
        ttl_ms: int = 30_000,
        keep: bool = False,
        wait: bool = False,
    ) -> p.Held:
        """The lock, renewed by the server while connected. Raises Refused (lock.held).

        Who waits has it in their turn, however long that takes; cancelled, one waits no longer.
        """
        frame = p.Lock(room=_name(room), resource=resource, ttl=ttl_ms, keep=keep, wait=wait)
        if not wait:
            frame = msgspec.structs.replace(frame, id=self.new_id())
            return self._hold(frame.room, await self._acked(frame))
        waits = self._waits.begin(frame.room, resource)
        try:
            return await self._wait(frame, waits)
        except asyncio.CancelledError:
            self._spawn(self._give_up(frame))
            raise
        finally:
            self._waits.finish(waits)

    async def _wait(self, frame: p.Lock, wait: Wait) -> p.Held:
        """A drop loses the place: it is asked for again, behind those who wait by then."""
        while True:
            wait.again()
            try:
                ack = await self._acked(msgspec.structs.replace(frame, id=self.new_id()))
            except Refused as error:
                if error.code != "lock.lost":  # with its place: it was asked for before a drop
                    raise
                continue
            held = ack.lock or await wait.outcome
            if held is not None:
                self._tokens[frame.room, frame.resource] = held.token
                return held

    async def _give_up(self, frame: p.Lock) -> None:
        with suppress(ClientError):
            await self.unwait(frame.room, frame.resource)

    async def unwait(self, room: Room | str, resource: str) -> p.Ack:
        """Out of the queue, and what was granted meanwhile is given back."""
        return await self._acked(p.Unwait(id=self.new_id(), room=_name(room), resource=resource))

    async def renew(self, room: Room | str, resource: str, token: int) -> p.Ack:
        frame = p.Renew(id=self.new_id(), room=_name(room), resource=resource, token=token)
        return await self._acked(frame)

    async def unlock(self, room: Room | str, resource: str, token: int) -> p.Ack:
        self._tokens.pop((_name(room), resource), None)
        frame = p.Unlock(id=self.new_id(), room=_name(room), resource=resource, token=token)
        return await self._acked(frame)

    async def steal(self, room: Room | str, resource: str, reason: str) -> p.Held:
        """For managers; everybody sees the reason."""
        frame = p.Steal(id=self.new_id(), room=_name(room), resource=resource, reason=reason)
        return self._hold(frame.room, await self._acked(frame))

    async def status(self, status: str, location: str | None = None) -> p.Ack:
        self._status = p.Status(id=self.new_id(), status=status, location=location)
        return await self._acked(self._status)

    async def seen(self, room: Room | str, pos: int) -> None:
        """That one has seen the room up to a position."""
        await self._link.tell(p.Seen(room=_name(room), pos=pos))

    async def cursor(self, room: Room | str, at: object) -> None:
        """Motion is not answered, and lost while there is no connection."""
        await self._link.tell(p.Cursor(room=_name(room), at=msgspec.Raw(msgspec.json.encode(at))))

    async def typing(self, room: Room | str, where: str, *, on: bool) -> None:
        await self._link.tell(p.Typing(room=_name(room), where=where, on=on))

    async def select(self, room: Room | str, selection: object) -> None:
        raw = msgspec.Raw(msgspec.json.encode(selection))
        await self._link.tell(p.Select(room=_name(room), selection=raw))

    async def ping(self) -> float:
        """Seconds there and back. Raises NotConnected."""
        loop = asyncio.get_running_loop()
        sent, number = loop.time(), len(self._pings)
        pong = self._pings[number] = loop.create_future()
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._link.tell(p.Ping(t=number))
                await pong
        except TimeoutError:
            raise NotConnected("no pong in time") from None
        finally:
            del self._pings[number]
        return loop.time() - sent

    def drop(self, away_s: float = 0.0) -> None:
        """Cut the connection as a network would; it comes back after `away_s` at the earliest."""
        self._link.drop(away_s)

    async def connected(self) -> None:
        """Return once there is a connection with all rooms joined."""
        await self._link.connected.wait()

    async def _ask(self, frame: p.ClientFrame) -> Frame:
        return await self._link.ask(frame, ANSWER_S)

    async def _acked(self, frame: p.ClientFrame) -> p.Ack:
        answer = await self._ask(frame)
        if not isinstance(answer, p.Ack):
            raise TypeError(f"the server answered {type(frame).__name__} with {answer}")
        return answer

    def _greet(self, welcome: p.Welcome, token: str) -> p.Hello:
        """The first frame of a connection: all rooms again, each from its last position."""
        known = self.welcome.epoch if self.welcome is not None else welcome.epoch
        own = self.rooms.get(f"user:{welcome.user}")  # the server joins it by itself
        if own is not None and known != welcome.epoch:
            own.last = None  # positions of another epoch mean nothing
        self._again, self.welcome, self._hello = self.welcome is not None, welcome, self.new_id()
        rooms = [room for room in self.rooms.values() if room.snapshot and room is not own]
        self._resuming = deque(room.name for room in rooms)
        return p.Hello(
            id=self._hello,
            token=token,
            device=self._device,
            epoch=known,
            resume=[p.Resume(room.name, room.last or 0, room.location) for room in rooms],
        )

    async def _hear(self, frame: Frame) -> None:
        match frame:
            case p.Ack() if frame.re is not None and frame.re == self._hello:
                self._hello = None
                await self._go_on()
            case p.Ack():
                self._link.answered(frame.re, frame)
            case p.Joined():
                await self._joined(frame)
            case p.Err():
                await self._refused(frame)
            case p.Pong(t=int(number)) if number in self._pings:
                self._pings[number].set_result(None)
            case p.Expiring():
                self._spawn(self._link.renew())
            case p.Closing(retry_after=wait):
                self._link.wait_before_return(wait)
            case _:
                if isinstance(frame, Ev) and frame.type.startswith("lock."):
                    self._waits.heard(frame, self._here())
                await self._in_room(frame)

    async def _in_room(self, frame: Frame) -> None:
        room = self.rooms.get(getattr(frame, "room", ""))
        if room is None:  # one's own room, which the server joins for everybody
            return
        match frame:
            case Ev() | p.Skip():
                try:
                    await room.event(frame)
                except Gap:
                    self._rejoin(room)
            case Mo():
                await room.motion(frame)
            case p.Presence():
                await room.diff(frame)
            case p.Lagged():
                self._rejoin(room)
            case p.Head(pos=pos) if room.last is not None and pos > room.last:
                self._rejoin(room)
            case p.Left(why=why):
                self._waits.left(room.name)
                self.rooms.pop(room.name).end(Refused("room.left", {"why": why}))
            case _:
                return

    async def _joined(self, frame: p.Joined) -> None:
        room = self.rooms.get(frame.room)
        asked = frame.re is not None or frame.room in self._resuming
        if room is not None and room.last is not None and room.snapshot and not asked:
            self._rejoin(room)  # one's own, after a drop: what was missed comes first
        elif room is not None:
            await room.joined(frame)
            self._waits.rejoined(frame.room)
        if not self._link.answered(frame.re, frame):
            await self._resumed(frame.room)

    async def _refused(self, frame: p.Err) -> None:
        if self._link.answered(frame.re, frame):
            return
        if frame.re is None and self._resuming:
            if frame.retry_after is not None:
                self._link.drop(frame.retry_after)  # all of them again, when it has passed
                return
            name = self._resuming[0]
            self.rooms.pop(name).end(Refused(frame.code, frame.detail))
            await self._resumed(name)

    async def _resumed(self, name: str) -> None:
        if self._resuming and self._resuming[0] == name:
            self._resuming.popleft()
            await self._go_on()

    async def _go_on(self) -> None:
        if self._hello is None and not self._resuming:
            await self._link.ready()
            if self._again:
                self._again = False
                self._spawn(self._say_again())

    async def _say_again(self) -> None:
        """What the server does not know of a new connection: it renews only what it is told of."""
        with suppress(ClientError):
            if self._status is not None:
                await self._acked(msgspec.structs.replace(self._status, id=self.new_id()))
            for (room, resource), token in list(self._tokens.items()):
                await self._renew_again(room, resource, token)

    async def _renew_again(self, room: str, resource: str, token: int) -> None:
        try:
            await self.renew(room, resource, token)
        except Refused:  # lost: its room was told by the event that took it
            self._tokens.pop((room, resource), None)

    def _hold(self, room: str, ack: p.Ack) -> p.Held:
        if ack.lock is None:
            raise Refused("lock.lost")
        self._tokens[room, ack.lock.resource] = ack.lock.token
        return ack.lock

    def _here(self) -> dict[str, UUID]:
        """One's own participations, by room."""
        rooms = [room for room in self.rooms.values() if room.snapshot is not None]
        return {room.name: room.participation for room in rooms}

    def _rejoin(self, room: Room) -> None:
        if not room.rejoining:
            room.rejoining = True
            self._spawn(self._join_again(room))

    async def _join_again(self, room: Room) -> None:
        try:
            await self._ask(p.Join(id=self.new_id(), room=room.name, after=room.last))
        except ClientError as error:
            room.end(error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _name(room: Room | str) -> str:
    return room if isinstance(room, str) else room.name
