"""Somebody who reads a room without a socket: a connection that lasts for one HTTP answer.

What stays between two answers is a row that any node may renew (infra/readers.py), so nobody is
seen to leave and come back, whichever node the next request reaches.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

import msgspec
import psycopg
import structlog

from api.auth import Caller
from api.realtime import protocol as p
from api.realtime import session as s
from api.realtime.attendance import Attendance
from api.realtime.ears import Ears
from api.realtime.hub import Hub
from api.realtime.locking import recalled
from api.realtime.outlet import Outlet
from api.realtime.reads import SHOWN_S
from api.realtime.socket import Connection
from api.realtime.welcome import welcome_frame
from api.realtime.wire import text_frame
from domain.access import Who
from domain.errors import Refused
from domain.motion_summary import MOTION_SUMMARY, SumMotion, summary_stream
from domain.participation import PARTICIPATION, Leave, LeaveReason
from infra import readers
from infra.eventstore.execute import Outcome, WrongVersion
from infra.eventstore.types import Conflict, StoreOverloaded
from infra.runtime import Origin, Runtime
from projections.locks import locks_of_stays
from projections.motion_sums import motion_sums
from projections.read import BehindPosition, reading, wait_for

# The end of an answer, but not of the membership: the next one may be on its way.
BRIEF = (LeaveReason.DROPPED, LeaveReason.CLOSING)

log = structlog.get_logger()


class Leased(Attendance):
    """Its participations are their rows', not this connection's."""

    login: UUID | None = None  # the session that the token is of

    async def _placed(self, who: Who, membership: s.Membership) -> s.Membership:
        """The participation that the person has there by this connection, or a new one."""
        at = membership
        wanted = readers.Reader(at.participation, who.id, at.room, at.project, self.login)
        ended: UUID | None = None
        while True:
            async with self._runtime.db.connection() as db:
                taken = await readers.take(db, wanted, self.session.connection, ended)
            if not (await self._runtime.load(PARTICIPATION, taken)).state.ended:
                return msgspec.structs.replace(membership, participation=taken)
            ended = taken

    async def _announce(self, who: Who, membership: s.Membership, location: str) -> int | None:
        if (await self._runtime.load(PARTICIPATION, membership.participation)).version:
            return None
        try:
            return await super()._announce(who, membership, location)
        except WrongVersion:  # another node did, for a request that came with this one
            return None

    async def rejoin(self, participation: UUID) -> None:
        """It was ended elsewhere: because it lapsed, or because the person said so."""
        async with self._runtime.db.connection() as db:
            reads_on = await readers.reads_on(db, participation)
        if reads_on:
            await super().rejoin(participation)
            return
        for membership in list(self.session.rooms.values()):
            if membership.participation == participation:
                self._remove(membership)
                left = p.Left(room=membership.room, why=LeaveReason.SAID)
                self._socket.send(text_frame(p.encode_frame(left)))

    async def recall(self, *memberships: s.Membership) -> None:
        """Learn what is held and waited for there: it was asked for by single requests."""
        rooms = {one.participation: one.room for one in memberships}
        projects = {one.project for one in memberships if one.project is not None}
        if not projects:
            return
        with suppress(BehindPosition):  # then by what is shown: locks do not wait for read models
            await wait_for(self._runtime, "live", await self._hub.reads.log_head(), SHOWN_S)
        async with reading(self._runtime, group="live") as db:
            rows = await locks_of_stays(db, [*projects], [*rooms])
        self.holding.locks = recalled(rows, rooms)

    async def _let_go(self, membership: s.Membership, *, kept: bool) -> None:
        """Who has only let a token run out may come back to what it held, as on a socket."""
        expires = self.session.expires
        if expires is None or self._runtime.now() < expires:
            await self.recall(membership)
            await super()._let_go(membership, kept=kept)

    async def _leave(
        self, membership: s.Membership, reason: LeaveReason, re: UUID | None
    ) -> Outcome:
        """The row first: whoever hears of the end must not take it for a lapse."""
        participation = membership.participation
        async with self._runtime.db.connection() as db:
            await readers.give_up(db, [participation])
        left = s.Part(PARTICIPATION, participation, Leave(reason=reason))
        outcome = await self.execute(re, membership.project, left, *await self._moved(membership))
        async with self._runtime.db.connection() as db:
            await readers.forget_lapsed(db, [participation])
        return outcome

    async def _moved(self, membership: s.Membership) -> list[s.Part]:
        """What the person's motion came to, from the log: other nodes took it as well."""
        who, participation = self.session.who, membership.participation
        found = (await motion_sums(self._runtime, [participation])).get(participation)
        if who is None or found is None:
            return []
        command = SumMotion(user=who.id, room=membership.room, **msgspec.structs.asdict(found))
        return [s.Part(MOTION_SUMMARY, summary_stream(participation), command)]

    async def goodbye(self, reason: LeaveReason) -> None:
        for membership in list(self.session.rooms.values()):
            if reason in BRIEF:
                self._remove(membership)
                continue
            try:
                await self.exit(membership, reason, None)
            except (psycopg.Error, Refused, Conflict, StoreOverloaded) as error:
                log.warning("goodbye_not_stored", error=repr(error))  # it lapses instead


class Reader(Connection):
    """The connection of one answer, in one room."""

    def __init__(
        self,
        runtime: Runtime,
        hub: Hub,
        epoch: str,
        outlet: Outlet,
        origin: Origin,
        gone: Callable[[UUID], None],
        caller: Caller,
        connection: UUID,
    ) -> None:
        super().__init__(runtime, hub, epoch, outlet, origin, gone)
        self.outlet, self.connection, self.epoch = outlet, connection, epoch
        self._id, self._who, self._login = runtime.new_id(), caller.who, caller.session
        self.attendance = Leased(runtime, hub, epoch, origin, self)
        self.attendance.session = msgspec.structs.replace(
            self.attendance.session, connection=connection, expires=caller.expires
        )
        self.attendance.signed_in(caller.who, origin)
        self.attendance.login = caller.session
        self.listen()

    @property
    def id(self) -> UUID:
        """Of this answer; the client's own is that of all its answers."""
        return self._id

    @property
    def participations(self) -> list[UUID]:
        return [one.participation for one in self.attendance.session.rooms.values()]

    @property
    def welcome_frame(self) -> bytes:
        """What a stream begins with: its connection, for actions and the next request."""
        return p.encode_frame(
            welcome_frame(self._runtime, self.epoch, self.connection, self._who.id, None)
        )

    async def open(self, room: str, after: int | None) -> None:
        """What a `join` leads to. Raises what admit and the store do."""
        await self._listen_for_rights()
        await self.attendance.enter(room, after, "", None)

    async def _listen_for_rights(self) -> None:
        """Whoever changed them before could not tell this connection: so they are looked at."""
        await self.attendance.overhear(self._who.id, Ears(self.rights_changed))
        await super()._review_person(self._who)

    def _free(self) -> None:
        """Its opening may still be under way, in a task of the request's."""

    def reaped(self, participation: UUID) -> None:
        self._spawn(self._guarded(self._ended_elsewhere(participation)))

    async def _ended_elsewhere(self, participation: UUID) -> None:
        await self._or_close(self.attendance.rejoin(participation), p.CloseCode.NORMAL, "left")

    async def _review_project(self, project: UUID) -> None:
        review = super()._review_project(project)
        await self._or_close(review, p.CloseCode.NOT_ALLOWED, "access.denied")

    async def _review_person(self, who: Who) -> None:
        review = super()._review_person(who)
        await self._or_close(review, p.CloseCode.NOT_ALLOWED, "access.denied")

    async def _or_close(self, work: Awaitable[None], code: int, reason: str) -> None:
        """Whoever is out of the one room afterwards has nothing more to read."""
        was_in = self.attendance.session.rooms
        try:
            await work
        finally:
            if was_in and not self.attendance.session.rooms:
                self.close(code, reason)
