"""Replays: rooms of one's own in which a project's past happens again.

One lives in the process and with the connection that opened it, so nothing of it is stored.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from datetime import datetime
from math import inf
from typing import TypeAlias
from uuid import UUID

import msgspec
import structlog

from api.realtime import protocol as p
from api.realtime.replay_frames import joined, replay_room, shown
from api.realtime.rooms import Socket
from api.realtime.session import InRoom
from api.realtime.wire import text_frame
from api.tokens import NotAuthenticated
from domain.access import Action, Who, allowed, require
from domain.errors import Invalid, NotAllowed, NotFound, WrongState
from domain.kernel import Event, Recorded
from domain.project import PROJECT
from infra.runtime import Runtime
from projections.frames import Ev, Mo
from projections.replay.moments import Moment
from projections.replay.room import span
from projections.replay.scene import scene_at
from projections.replay.session import Pace, happened

log = structlog.get_logger()


class Pause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Stand still."""


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Go on."""


class Seek(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Show that moment, and go on from there if not paused."""

    to: p.When


class SetSpeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    speed: p.Speed


Wish: TypeAlias = Pause | Resume | Seek | SetSpeed

WISHES: Mapping[str, type[Wish]] = {
    "pause": Pause,
    "resume": Resume,
    "seek": Seek,
    "speed": SetSpeed,
}


def wish_of(act: p.Act) -> Wish:
    """What an `act` in a replay's room asks for. Raises Invalid."""
    kind = WISHES.get(act.kind)
    if kind is None:
        raise Invalid("replay.bad_act", kind=act.kind, known=", ".join(WISHES))
    try:
        return msgspec.json.decode(act.data, type=kind)
    except msgspec.DecodeError as error:
        raise Invalid("replay.bad_act", kind=act.kind, reason=str(error)) from error


class Replay:
    """Plays into its connection; what steers it takes hold before the next frame."""

    def __init__(
        self,
        runtime: Runtime,
        epoch: str,
        socket: Socket,
        project: UUID,
        end: Moment,
        speed: float,
        failed: Callable[["Replay"], None],
    ) -> None:
        self.project, self.id = project, runtime.new_id()
        self.room = replay_room(self.id)
        self.pos = 0  # what has been shown
        self._runtime, self._epoch, self._socket, self._failed = runtime, epoch, socket, failed
        self._end, self._speed, self._paused = end, speed, False
        self._prev = 0
        self._pace: Pace | None = None
        self._changed = asyncio.Event()
        self._playing: asyncio.Task[None] | None = None

    async def show(self, to: int | datetime) -> Callable[[UUID | None], None]:
        """Look up the scene at a moment; what is returned tells it, and plays on from there."""
        scene = await scene_at(self._runtime, self.project, to, self._end)

        def begin(re: UUID | None) -> None:
            self.stop()
            self.pos = self._prev = scene.moment.position
            rewound = self._rewound(scene.moment, scene.cursors_from)
            self._tell(joined(self.id, scene, rewound, self._epoch, re))
            self._playing = asyncio.get_running_loop().create_task(self._play())

        return begin

    def _rewound(self, moment: Moment, cursors_from: int | None) -> p.Rewound:
        return p.Rewound(
            at=moment.at,
            end=self._end.position,
            end_at=self._end.at,
            speed=self._speed,
            paused=self._paused,
            cursors_from=cursors_from,
        )

    def pause(self, *, paused: bool) -> None:
        self._paused = paused
        self._set_pace()

    def set_speed(self, speed: float) -> None:
        self._speed = speed
        self._set_pace()

    def wake(self) -> None:
        """Something that is waited for may have come."""
        self._changed.set()

    def stop(self) -> None:
        """No frame comes after this."""
        if self._playing is not None:
            self._playing.cancel()
        self._playing = self._pace = None

    async def _play(self) -> None:
        try:
            pages = happened(self._runtime, self.project, self.pos, self._end.position)
            async with aclosing(pages):
                async for page in pages:
                    for one in page:
                        await self._turn(one.at)
                        self._show(one)
        except Exception:
            log.exception("replay_failed", project=str(self.project), position=self.pos)
            self._failed(self)
            return
        self.pos = self._end.position
        self._tell(p.Ended(room=self.room, pos=self.pos))

    async def _turn(self, at: datetime) -> None:
        """Until it is due, not paused, and the peer reads. What comes first is due at once."""
        self._pace = self._pace or Pace(at, self._rate)
        await asyncio.sleep(0)  # however fast it is, the other connections have their turn
        while (wait_s := self._wait_s(self._pace, at)) > 0:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s if wait_s < inf else None):
                    await self._changed.wait()

    def _wait_s(self, pace: Pace, at: datetime) -> float:
        return inf if self._paused or self._socket.paused else pace.due_in_s(at)

    def _show(self, one: Recorded[Event]) -> None:
        frame = shown(self.room, one, self._prev)
        if isinstance(frame, Ev):
            self._prev = one.position
        self.pos = one.position
        self._tell(frame)

    @property
    def _rate(self) -> float:
        return 0.0 if self._paused else self._speed

    def _set_pace(self) -> None:
        if self._pace is not None:
            self._pace.set_speed(self._rate)
        self.wake()

    def _tell(self, frame: p.ServerFrame | Ev | Mo) -> None:
        self._socket.send(text_frame(msgspec.json.encode(frame)))


class Replays:
    """The replays of a connection, by room."""

    def __init__(self, runtime: Runtime, epoch: str, socket: Socket) -> None:
        self._runtime, self._epoch, self._socket = runtime, epoch, socket
        self._open: dict[str, Replay] = {}
        self._closed = False

    async def open(self, who: Who | None, asked: p.Replay) -> None:
        if who is None:
            raise NotAuthenticated("auth.missing")
        if len(self._open) >= p.MAX_REPLAYS:
            raise WrongState("replay.too_many", most=p.MAX_REPLAYS)
        await admit(self._runtime, who, asked.project)
        _, end = await span(self._runtime, asked.from_, asked.to)
        replay = Replay(
            self._runtime, self._epoch, self._socket, asked.project, end, asked.speed, self._fail
        )
        begin = await replay.show(asked.from_)
        # The rights as they are now: whoever changed them meanwhile did not know of this replay.
        await admit(self._runtime, who, asked.project)
        if not self._closed:
            self._open[replay.room] = replay
            begin(asked.id)

    async def steer(self, frame: InRoom) -> None:
        replay = self._open.get(frame.room)
        if replay is None:
            raise WrongState("room.not_joined", room=frame.room)
        match frame:
            case p.Leave():
                self._end(replay)
                self._tell(p.Ack(re=frame.id))
            case p.Act():
                await self._grant(replay, wish_of(frame), frame.id)
            case _:
                raise WrongState("replay.read_only", room=frame.room)

    async def _grant(self, replay: Replay, wish: Wish, re: UUID | None) -> None:
        match wish:
            case Seek(to=to):
                begin = await replay.show(to)
                if replay.room in self._open:
                    begin(re)
                return
            case Pause() | Resume():
                replay.pause(paused=isinstance(wish, Pause))
            case SetSpeed(speed=speed):
                replay.set_speed(speed)
        self._tell(p.Ack(re=re, pos=replay.pos))

    async def review(self, who: Who | None) -> None:
        """Rights changed: end what they no longer allow."""
        for replay in list(self._open.values()):
            try:
                if who is not None:
                    await admit(self._runtime, who, replay.project)
            except (NotAllowed, NotFound):
                self._end(replay, "removed")

    def drained(self) -> None:
        """The peer reads again."""
        for replay in self._open.values():
            replay.wake()

    def close(self) -> None:
        self._closed = True
        for replay in list(self._open.values()):
            self._end(replay)

    def _fail(self, replay: Replay) -> None:
        self._end(replay, "failed")

    def _end(self, replay: Replay, why: str = "") -> None:
        """`why`: what to tell whoever did not ask for it."""
        if self._open.pop(replay.room, None) is not None:
            replay.stop()
            if why:
                self._tell(p.Left(room=replay.room, why=why))

    def _tell(self, frame: p.ServerFrame) -> None:
        self._socket.send(text_frame(p.encode_frame(frame)))


async def admit(runtime: Runtime, who: Who, project: UUID) -> None:
    """Return for members of the project as it is now, and auditors; else raise as REST does."""
    loaded = await runtime.load(PROJECT, project)
    role = loaded.state.members.get(who.id)
    if not loaded.version or not allowed(Action.PROJECT_READ, who, project_role=role):
        raise NotFound("project.not_found", project=project)
    require(Action.REPLAY_READ, who, project_role=role)
