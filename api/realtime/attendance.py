"""The rooms a connection is in and the locks it holds: coming, staying, going."""

import contextlib
from uuid import UUID

import msgspec
import psycopg
import structlog

from api.realtime import protocol as p
from api.realtime import session as s
from api.realtime.joining import admit, open_room
from api.realtime.motions import Motions
from api.realtime.pace import Pace, pace_s
from api.realtime.receipts import Step
from api.realtime.rooms import Hub, Member, Room, Socket
from api.realtime.wire import text_frame
from api.tokens import NotAuthenticated
from domain.access import Who
from domain.errors import NotAllowed, NotFound, Refused, WrongState
from domain.kernel import Event
from domain.lock import LOCK
from domain.participation import PARTICIPATION, Join, Leave, LeaveReason
from infra.eventstore.execute import Do, Outcome, command_id
from infra.eventstore.types import NEW, Conflict, Motion, StoreOverloaded
from infra.runtime import Origin, Runtime

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
        self._motions = Motions()
        self._pace = Pace(runtime.store.append_motion)

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
                self._runtime, self._epoch, room, member, membership, after, joined_at, re
            )
            # The rights as they are now: whoever changed them meanwhile did not know of this room.
            membership = await admit(self._runtime, who, name, membership.participation)
        except BaseException:
            self._remove(membership)
            if known or joined_at is not None:
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
        releases = s.releases(self.session, membership.room, self._runtime.now())
        self._remove(membership)
        await self._release(releases)
        return await self._leave(membership, reason, re)

    async def _leave(
        self, membership: s.Membership, reason: LeaveReason, re: UUID | None
    ) -> Outcome:
        return await self.execute(re, membership.project, *self._leaving(membership, reason))

    def _leaving(self, membership: s.Membership, reason: LeaveReason) -> list[s.Part]:
        """That one has left, and what one's motion there came to."""
        participation = membership.participation
        left = s.Part(PARTICIPATION, participation, Leave(reason=reason))
        return [left, *self._motions.taken(participation)]

    async def review(self, project: UUID) -> None:
        """Rights in a project changed: keep to those held now, leave what they no longer allow."""
        who = self.session.who
        if who is None:
            return
        for membership in [one for one in self.session.rooms.values() if one.project == project]:
            try:
                name, participation = membership.room, membership.participation
                now = await admit(self._runtime, who, name, participation)
                self.session = self.session.entered(now)
            except (NotAllowed, NotFound):
                self._socket.send(_framed(p.Left(room=membership.room, why="removed")))
                await self.exit(membership, LeaveReason.REMOVED, None)

    async def rejoin(self, participation: UUID) -> None:
        """Others were told that we had gone: come back under a new one, without a gap."""
        for membership in list(self.session.rooms.values()):
            if membership.participation == participation:
                place = self._places.get(membership.room)
                self._motions.taken(participation)  # summed up by who ended it
                self._remove(membership)
                await self.enter(membership.room, place[1].after if place else None, "", None)

    def drained(self) -> None:
        for room, member in list(self._places.values()):
            room.drained(member)

    async def hold(self, effect: s.Hold) -> None:
        """After the command, the lock as it is: holder, fencing token, end of the lease."""
        project, stream = effect.membership.project, effect.part.stream
        outcome = await self.execute(effect.re, project, effect.part)
        lock = (await self._runtime.load(LOCK, stream)).state
        if effect.gives_up or lock.holder is None or lock.expires is None:
            self.session = self.session.holding(stream, None)
            self._socket.send(_framed(p.Ack(re=effect.re, pos=outcome.position)))
            return
        kept = self.session.locks.get(stream)
        keep = effect.keep or (kept is not None and kept.keep)
        mine = s.HeldLock(effect.membership.room, project, effect.resource, lock.token, keep)
        self.session = self.session.holding(stream, mine)
        held = p.Held(
            resource=effect.resource,
            holder=lock.holder,
            token=lock.token,
            expires=lock.expires,
            participation=lock.participation,
        )
        self._socket.send(_framed(p.Ack(re=effect.re, pos=outcome.position, lock=held)))

    async def renew_locks(self) -> None:
        """A lock lives as long as the connection that holds it."""
        for due in s.renewals(self.session, self._runtime.now()):
            try:
                await self.execute(None, due.held.project, due.part)
            except Refused:  # lost: its room was told by the event that took it
                self.session = self.session.holding(due.part.stream, None)

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
        said = reason is LeaveReason.SAID
        releases = s.releases(self.session, None, self._runtime.now()) if said else []
        for membership in memberships:
            self._remove(membership)
        parts: dict[UUID | None, list[s.Part]] = {}
        for one in memberships:
            parts.setdefault(one.project, []).extend(self._leaving(one, reason))
        try:
            await self._release(releases)
            for project, leaving in parts.items():
                await self.execute(None, project, *leaving)
        except (psycopg.Error, Refused, Conflict, StoreOverloaded) as error:
            # the reaper ends what could not be said
            log.warning("goodbye_not_stored", error=repr(error))

    def _remove(self, membership: s.Membership) -> None:
        self.session = self.session.exited(membership.room)
        self._pace.forget(membership.participation)
        place = self._places.pop(membership.room, None)
        if place is not None:
            self._hub.leave(*place)

    async def _release(self, releases: list[s.Upkeep]) -> None:
        for due in releases:
            with contextlib.suppress(Refused):  # lost or stolen meanwhile: nothing to release
                await self.execute(None, due.held.project, due.part)


def _framed(frame: p.ServerFrame) -> bytes:
    return text_frame(p.encode_frame(frame))
