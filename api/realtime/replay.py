"""Replays: rooms of one's own in which a project's past happens again.

One lives in the process and with the connection that opened it, so nothing of it is stored.
"""

from collections.abc import Mapping
from typing import TypeAlias
from uuid import UUID

import msgspec

from api.realtime import protocol as p
from api.realtime.member import Socket
from api.realtime.player import Player
from api.realtime.session import InRoom
from api.realtime.wire import text_frame
from api.tokens import NotAuthenticated
from domain.access import Action, Who, allowed, require
from domain.errors import Invalid, NotAllowed, NotFound, WrongState
from domain.project import PROJECT
from infra.runtime import Runtime
from projections.replay.room import span


class Pause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Stand still."""


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Go on."""


class Seek(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Show that moment, and go on from there if not paused."""

    to: p.When


class Skip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes next comes at once, however long it was until then."""


class SetSpeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    speed: p.Speed


Wish: TypeAlias = Pause | Resume | Seek | Skip | SetSpeed

WISHES: Mapping[str, type[Wish]] = {
    "pause": Pause,
    "resume": Resume,
    "seek": Seek,
    "skip": Skip,
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


class Replays:
    """The replays of a connection, by room."""

    def __init__(self, runtime: Runtime, epoch: str, socket: Socket) -> None:
        self._runtime, self._epoch, self._socket = runtime, epoch, socket
        self._open: dict[str, Player] = {}
        self._closed = False

    async def open(self, who: Who | None, asked: p.Replay) -> None:
        if who is None:
            raise NotAuthenticated("auth.missing")
        if len(self._open) >= p.MAX_REPLAYS:
            raise WrongState("replay.too_many", most=p.MAX_REPLAYS)
        await admit(self._runtime, who, asked.project)
        _, end = await span(self._runtime, asked.from_, asked.to)
        replay = Player(
            self._runtime, self._epoch, self._socket, asked.project, end, asked.speed, self._fail
        )
        scene = await replay.scene(asked.from_)
        # The rights as they are now: whoever changed them meanwhile did not know of this replay.
        await admit(self._runtime, who, asked.project)
        if not self._closed:
            self._open[replay.room] = replay
            replay.begin(scene, asked.id)

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

    async def _grant(self, replay: Player, wish: Wish, re: UUID | None) -> None:
        match wish:
            case Seek(to=to):
                scene = await replay.scene(to)
                if replay.room in self._open:
                    replay.begin(scene, re)
                return
            case Pause() | Resume():
                replay.pause(paused=isinstance(wish, Pause))
            case Skip():
                replay.skip()
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

    def _fail(self, replay: Player) -> None:
        self._end(replay, "failed")

    def _end(self, replay: Player, why: str = "") -> None:
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
