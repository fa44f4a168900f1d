"""The rooms a connection is in and the locks it holds: coming, staying, going."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import msgspec
import psycopg
import structlog

from api.realtime import protocol as p
from api.realtime import session as s
from api.realtime.holding import Holding
from api.realtime.hub import Hub
from api.realtime.joining import admit, open_room
from api.realtime.locking import Granted
from api.realtime.member import Member, Socket
from api.realtime.motions import Motions
from api.realtime.pace import Pace, pace_s
from api.realtime.receipts import Step
from api.realtime.rooms import Room
from api.realtime.wire import text_frame
from api.tokens import NotAuthenticated
from domain.access import Action, Who, allowed
from domain.errors import NotAllowed, NotFound, Refused, WrongState
from domain.kernel import Event
from domain.participation import PARTICIPATION, Join, Leave, LeaveReason, Participation, SetStatus
from infra.eventstore.execute import Do, Outcome, command_id
from infra.eventstore.types import NEW, Conflict, Motion, StoreOverloaded
from infra.runtime import Origin, Runtime

# Who goes so does not come back to what they hold; after any other end a lease lasts its time.
FOR_GOOD = (LeaveReason.SAID, LeaveReason.REMOVED)

AGAIN_S = (0.5, 2.0, 8.0, 30.0)  # after which a goodbye that could not be stored is said again

# What others are told when the server ended the connection; any other end is a drop.
REASONS: Mapping[int, LeaveReason] = {
    p.CloseCode.NORMAL: LeaveReason.SAID,
    p.CloseCode.GOING_AWAY: LeaveReason.SAID,
    p.CloseCode.RESTARTING: LeaveReason.CLOSING,
    p.CloseCode.NOT_AUTHENTICATED: LeaveReason.EXPIRED,
    p.CloseCode.NOT_ALLOWED: LeaveReason.REMOVED,
}

log = structlog.get_logger()


class Attendance:
    """Changes the session by what the store accepted; `socket` gets the frames."""

    def __init__(
        self, runtime: Runtime, hub: Hub, epoch: str, origin: Origin, socket: Socket
    ) -> None:
        self.session = s.Session(connection=runtime.new_id())
        self.closed = False
        self._runtime, self._hub, self._epoch = runtime, hub, epoch
        self._origin, self._socket = origin, socket
        self._places: dict[str, tuple[Room, Member]] = {}
        self._overheard: list[tuple[Room, Member]] = []
        self._motions = Motions()
        self._pace = Pace(runtime.store.append_motion)
        self.holding = Holding(runtime, self.execute, socket, hub.turns)

    def signed_in(self, who: Who, origin: Origin) -> None:
        self.session = msgspec.structs.replace(self.session, who=who)
        self._origin = origin

    async def execute(self, re: UUID | None, project: UUID | None, *parts: s.Part) -> Outcome:
        """All parts in one transaction; `re`, the client's own id, makes it repeatable."""
        first, *also = (
            Do(part.decider, part.stream, part.command, blind=part.blind) for part in parts
        )
        return await self._runtime.execute(
            self._origin,
            first.decider,
            first.stream,
            first.command,
            *also,
            command_id=command_id(self._origin.actor, re) if re else None,
            project=project,
            blind=first.blind,
        )

    async def enter(self, name: str, after: int | None, location: str, re: UUID | None) -> None:
        """Join, or, in a room one is in already, fill what is missing since `after`."""
        who = self.session.who
        if who is None:
            raise NotAuthenticated("auth.missing")
        known = self.session.rooms.get(name)
        if known is None and len(self.session.rooms) >= p.MAX_ROOMS:
            raise WrongState("room.too_many", most=p.MAX_ROOMS)
        participation = known.participation if known else self._runtime.new_id()
        membership = await admit(self._runtime, who, name, participation)
        if known is None:
            membership = await self._placed(who, membership)
        member = Member(self._socket, membership.participation, audience=0)
        room = await self._hub.enter(name, member)
        self._places[name] = (room, member)
        joined_at: int | None = None
        try:
            joined_at = None if known else await self._announce(who, membership, location)
            opening = await open_room(
                self._hub.reads, self._epoch, room, member, membership, after, joined_at, re
            )
            # The rights as they are now: whoever changed them meanwhile did not know of this room.
            membership = await admit(self._runtime, who, name, membership.participation)
        except BaseException:
            self._remove(membership)
            if known or joined_at is not None:
                await self._let_go(membership, kept=False)
                await self._leave(membership, LeaveReason.REMOVED, None)
            raise
        self.session = self.session.entered(membership)
        if self.closed:
            await self.goodbye(LeaveReason.DROPPED)
            return
        self._hub.meters.joins.add(opening.mode)
        for frame in opening.frames:
            self._socket.send(frame)
        room.start(member, opening.after)

    async def overhear(self, user: UUID, ears: Socket) -> None:
        """Be in a person's own room, seen by nobody, until the end."""
        member = Member(ears, self._runtime.new_id(), audience=0)
        room = await self._hub.enter(f"user:{user}", member)
        room.start(member, room.last)
        self._overheard.append((room, member))
        if self.closed:
            self.close()

    def close(self) -> None:
        """The connection is gone; `goodbye` tells it."""
        self.closed = True
        while self._overheard:
            self._hub.leave(*self._overheard.pop())

    async def _placed(self, _who: Who, membership: s.Membership) -> s.Membership:
        """A socket comes under a participation of its own."""
        return membership

    async def _announce(self, who: Who, membership: s.Membership, location: str) -> int | None:
        command = Join(
            user=who.id,
            connection=self.session.connection,
            room=membership.room,
            project=membership.project,
            node=self._runtime.node,
            device=self.session.device,
            location=location,
        )
        outcome = await self._runtime.execute(
            self._origin,
            PARTICIPATION,
            membership.participation,
            command,
            expected=NEW,  # its id was made just now: there is nothing to read
            project=membership.project,
        )
        return outcome.position

    async def exit(
        self, membership: s.Membership, reason: LeaveReason, re: UUID | None
    ) -> Outcome | None:
        """Out of the room first, then told: nothing is delivered after the acknowledgement."""
        if membership.room not in self.session.rooms:
            return None
        self._remove(membership)
        await self._let_go(membership, kept=reason is LeaveReason.REMOVED)
        return await self._leave(membership, reason, re)

    async def _let_go(self, membership: s.Membership, *, kept: bool) -> None:
        """Of its locks and places in queues; `kept`: also of locks not released on leaving."""
        await self.holding.give_up(membership.room, "left", kept=kept)

    async def _leave(
        self, membership: s.Membership, reason: LeaveReason, re: UUID | None
    ) -> Outcome:
        return await self.execute(re, membership.project, *self._leaving(membership, reason))

    def _leaving(self, membership: s.Membership, reason: LeaveReason) -> list[s.Part]:
        """That one has left, and what one's motion there came to."""
        participation = membership.participation
        left = s.Part(PARTICIPATION, participation, Leave(reason=reason))
        return [left, *self._motions.taken(participation)]

    async def review(self, project: UUID | None) -> None:
        """Rights in a project, or outside of all, changed: keep to those held now.

        What they no longer allow is left.
        """
        who = self.session.who
        if who is None:
            return
        for membership in [one for one in self.session.rooms.values() if one.project == project]:
            try:
                name, participation = membership.room, membership.participation
                now = await admit(self._runtime, who, name, participation)
                self.session = self.session.entered(now)
                if not allowed(Action.ROOM_LOCK, who, project_role=now.role):
                    await self.holding.give_up(name, "denied", kept=True)
            except (NotAllowed, NotFound):
                self._socket.send(_framed(p.Left(room=membership.room, why="removed")))
                await self.exit(membership, LeaveReason.REMOVED, None)

    async def rejoin(self, participation: UUID) -> None:
        """Others were told that we had gone: come back under a new one, without a gap."""
        for membership in list(self.session.rooms.values()):
            if membership.participation == participation:
                place = self._places.get(membership.room)
                was = (await self._runtime.load(PARTICIPATION, participation)).state
                self._motions.taken(participation)  # summed up by who ended it
                self._remove(membership)
                after = place[1].after if place else None
                try:
                    await self.enter(membership.room, after, was.location, None)
                except (NotAllowed, NotFound):
                    self._socket.send(_framed(p.Left(room=membership.room, why="removed")))
                    continue
                await self._say_again(membership.room, was.status)

    async def _say_again(self, room: str, status: str) -> None:
        """A new participation begins online."""
        here = self.session.rooms.get(room)
        if here is not None and status != Participation().status:
            again = s.Part(PARTICIPATION, here.participation, SetStatus(status=status))
            await self.execute(None, here.project, again)

    def drained(self) -> None:
        for room, member in list(self._places.values()):
            room.drained(member)

    def granted(self, granted: Granted) -> None:
        """A queue has come to somebody of this person: perhaps through this connection."""
        for one in self.session.rooms.values():
            if one.participation == granted.data.participation and one.project:
                self.holding.granted(one.room, one.project, granted)

    def move(self, membership: s.Membership, event: Event) -> None:
        who = self.session.who
        if who is not None:
            place = self._places.get(membership.room)
            motion = Motion(event, membership.participation, who.id, membership.project)
            self._pace.take(motion, pace_s(place[0].size if place else 1))
            self._motions.add(membership, who.id, event, self._runtime.now())

    def saw(self, membership: s.Membership, pos: int) -> None:
        """No further than the room goes: what nobody can have seen is not stored."""
        who, place = self.session.who, self._places.get(membership.room)
        if who is None or place is None:
            return
        room, member = place
        if (pos := min(pos, room.last)) > member.seen:
            member.seen = pos
            self._hub.receipts.saw(
                Step(who.id, membership.room, membership.project, pos, self._origin)
            )

    async def goodbye(self, reason: LeaveReason) -> None:
        """The socket is gone: tell every room. A drop keeps its leases."""
        memberships = list(self.session.rooms.values())
        for membership in memberships:
            self._remove(membership)
        parts: dict[UUID | None, list[s.Part]] = {}
        for one in memberships:
            parts.setdefault(one.project, []).extend(self._leaving(one, reason))
        held, kept = reason in FOR_GOOD, reason is LeaveReason.REMOVED
        for wait_s in (*AGAIN_S, None):
            try:
                await self.holding.give_up(None, "left", held=held, kept=kept)
                for project, leaving in parts.items():
                    await self.execute(None, project, *leaving)
            except (psycopg.Error, Refused, Conflict, StoreOverloaded) as error:
                log.warning("goodbye_not_stored", error=repr(error), again_in_s=wait_s)
            else:
                return
            if wait_s is not None:  # else they are there until this node has gone
                await asyncio.sleep(wait_s)

    def _remove(self, membership: s.Membership) -> None:
        self.session = self.session.exited(membership.room)
        self._pace.forget(membership.participation)
        place = self._places.pop(membership.room, None)
        if place is not None:
            self._hub.leave(*place)


def _framed(frame: p.ServerFrame) -> bytes:
    return text_frame(p.encode_frame(frame))
