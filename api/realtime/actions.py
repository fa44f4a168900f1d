"""Acting without a socket: one client frame a request, answered as a socket would answer it."""

from collections.abc import Mapping
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec

from api.auth import Caller
from api.call import Malformed
from api.realtime import protocol as p
from api.realtime import session as s
from api.realtime.hub import Hub
from api.realtime.joining import admit
from api.realtime.locking import Granted
from api.realtime.pace import OFTEN_S, Pace
from api.realtime.reader import Leased
from api.realtime.receipts import Step
from api.realtime.wire import payloads
from domain.errors import Invalid, NotAllowed, Refused, WrongState
from domain.kernel import Event
from infra import readers
from infra.eventstore.types import Motion
from infra.runtime import Origin, Runtime
from projections.read import reading
from projections.room_log import heads

Acting: TypeAlias = s.InRoom | p.Status  # what needs no socket, outside a replay

# Refusals that a socket tells by their code alone; any other code is of wrong values.
KINDS: Mapping[str, type[Refused]] = {
    "access.denied": NotAllowed,
    "room.not_joined": WrongState,
    "lock.no_project": WrongState,
}


def frame_of(body: bytes, room: str) -> Acting:
    """The frame in a request about `room`. Raises Malformed and Invalid."""
    try:
        frame = p.decode_frame(body)
    except msgspec.ValidationError as error:
        raise Invalid("frame.invalid", reason=str(error)) from error
    except msgspec.DecodeError as error:
        raise Malformed("request.malformed", reason=str(error)) from error
    if not isinstance(frame, Acting):
        op = str(frame.__struct_config__.tag)
        raise Invalid("frame.needs_socket", op=op)
    if not isinstance(frame, p.Status) and frame.room != room:
        raise Invalid("frame.other_room", room=frame.room)
    return frame


class Deed:
    """One frame of somebody, and what it is answered with; the socket of its attendance."""

    paused = False

    def __init__(self, runtime: Runtime, hub: Hub, pace: Pace, origin: Origin) -> None:
        self.answer: bytes | None = None
        self._pace = pace  # of all requests
        self._runtime, self._hub, self._origin = runtime, hub, origin
        self._attendance = Leased(runtime, hub, "", origin, self)

    def send(self, frame: bytes) -> None:
        self.answer = payloads(frame)[-1]

    def rights_changed(self, concerned: UUID) -> None:
        """It is over before that matters: it is in no room of this node."""

    def granted(self, granted: Granted) -> None:
        """The same."""

    def reaped(self, participation: UUID) -> None:
        """The same."""

    async def do(self, caller: Caller, connection: UUID, room: str, frame: Acting) -> None:
        """Raises Refused where a socket gets an `err`."""
        session = await self._session(caller, connection, room)
        self._attendance.session = session
        if not isinstance(frame, p.Lock | p.Steal):
            await self._receive(session, frame)
            return
        async with self._hub.turns.of(connection):  # else each of many would find room for itself
            await self._attendance.recall(*session.rooms.values())
            await self._receive(session, frame)

    async def _receive(self, session: s.Session, frame: Acting) -> None:
        for effect in s.receive(session, frame, self._runtime.now()):
            await self._perform(effect)

    async def _session(self, caller: Caller, connection: UUID, room: str) -> s.Session:
        """As the rows of the person's readers have it, with the rights in this room as they are."""
        who = caller.who
        async with self._runtime.db.connection() as db:
            rows = await readers.rooms_of(db, who.id, connection)
        rooms = {one.room: s.Membership(one.room, one.participation, one.project) for one in rows}
        if (here := rooms.get(room)) is not None:
            rooms[room] = await admit(self._runtime, who, room, here.participation)
        return s.Session(connection=connection, who=who, rooms=rooms)

    async def _perform(self, effect: s.Effect) -> None:
        attendance = self._attendance
        match effect:
            case s.Tell(frame=p.Err(code=code, detail=detail)):
                raise KINDS.get(code, Invalid)(code, **detail)
            case s.Move(membership=membership, event=event):
                self._move(membership, event)
            case s.See(membership=membership, pos=pos):
                await self._saw(membership, pos)
            case s.Exit(membership=membership, reason=reason, re=re):
                outcome = await attendance.exit(membership, reason, re)
                self._acknowledge(re, outcome.position if outcome else None)
            case s.Run(re=re, membership=membership, parts=parts):
                outcome = await attendance.execute(re, membership.project, *parts)
                self._acknowledge(re, outcome.position)
            case s.Hold():
                await attendance.holding.hold(effect)
            case s.Tell() | s.Authenticate() | s.Enter() | s.Play() | s.Steer():
                raise Invalid("frame.needs_socket", op="replay")
            case _:
                assert_never(effect)

    def _move(self, at: s.Membership, event: Event) -> None:
        """At the rate of a room of few: how many there are is not known on every node."""
        if (who := self._origin.actor) is not None:
            self._pace.take(Motion(event, at.participation, who, at.project), OFTEN_S)

    async def _saw(self, at: s.Membership, pos: int) -> None:
        """No further than the room goes, as on a socket."""
        async with reading(self._runtime, group="live") as db:
            pos = min(pos, (await heads(db, [at.room])).get(at.room, 0))
        who = self._origin.actor
        if who is not None:
            self._hub.receipts.saw(Step(who, at.room, at.project, pos, self._origin))

    def _acknowledge(self, re: UUID | None, position: int | None) -> None:
        self.answer = p.encode_frame(p.Ack(re=re, pos=position))
