"""A connection: runs the effects that session.py asks for, in the order the client spoke."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from math import ceil
from typing import Any, assert_never
from uuid import UUID

import msgspec
import structlog

from api.auth import Caller, authenticate
from api.realtime import protocol as p
from api.realtime import session as s
from api.realtime.allowance import Allowance
from api.realtime.attendance import REASONS, Attendance
from api.realtime.ears import Ears
from api.realtime.failures import failure
from api.realtime.hub import Hub
from api.realtime.locking import Granted
from api.realtime.patience import Patience
from api.realtime.replay import Replays
from api.realtime.upgrade import RETRY_S
from api.realtime.welcome import resumed, welcome_frame
from api.realtime.wire import Line, text_frame
from api.tokens import NotAuthenticated
from domain.access import Action, Who
from domain.errors import Hidden, NotAllowed
from domain.participation import LeaveReason
from domain.text import no_nul
from domain.user import USER
from infra.runtime import Origin, Runtime
from infra.tracing import serving

MAX_IN_FLIGHT = 1_000  # effects of one connection that are not answered yet
EXPIRING_S = 60.0  # how long before its end a token's is announced

log = structlog.get_logger()


class Connection:
    """One socket, from the upgrade to its end. Everything runs on the event loop."""

    def __init__(
        self,
        runtime: Runtime,
        hub: Hub,
        epoch: str,
        wire: Line,
        origin: Origin,
        gone: Callable[[UUID], None],
    ) -> None:
        self._meters, self._waves, self._refusals = hub.meters, hub.waves, hub.refusals
        self.attendance = Attendance(runtime, hub, epoch, origin, self)
        self.replays = Replays(runtime, epoch, self)
        self._runtime, self._epoch, self._origin = runtime, epoch, origin
        self._wire, self._gone = wire, gone
        self._allowance = Allowance(runtime.settings, runtime.limits)
        self.seats: list[Callable[[], None]] = []  # to be given up at the end
        self._queue: list[tuple[s.Effect, str]] = []  # mostly empty: a deque takes ten times more
        self._deferred: list[p.Incoming] = []
        self._signing_in = False
        self._worker: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened = asyncio.get_running_loop().time()
        self._patience = Patience()
        self._warned = False
        self._login: UUID | None = None  # the session that the token is of

    def listen(self) -> None:
        """Take over the wire; what came early is heard first."""
        self._wire.on_close, self._wire.on_drain = self._closed, self._drained
        self._wire.on_message = self.heard

    @property
    def id(self) -> UUID:
        return self.attendance.session.connection

    # what a room needs of a socket

    @property
    def paused(self) -> bool:
        return self._wire.paused

    @property
    def queued(self) -> int:
        """Bytes that have not reached the kernel."""
        return self._wire.buffer_size()

    def send(self, frame: bytes) -> None:
        self._wire.send(frame)

    def rights_changed(self, concerned: UUID) -> None:
        who = self.attendance.session.who
        if who is not None and concerned == who.id:
            self._spawn(self._certainly(self._review_person(who)))
        else:
            self._spawn(self._certainly(self._review_project(concerned)))

    def reaped(self, participation: UUID) -> None:
        self._spawn(self._certainly(self.attendance.rejoin(participation)))

    def granted(self, granted: Granted) -> None:
        self.attendance.granted(granted)

    # frames in

    def heard(self, message: bytes) -> None:
        """One frame from the client; never waits."""
        self._meters.received.value += 1
        if wait_s := self._allowance.message():
            self._limit(p.id_of(message), wait_s)
            return
        try:
            frame = p.decode_frame(message)
        except msgspec.ValidationError as error:
            detail = {"reason": str(error)}
            self.tell(p.Err(re=p.id_of(message), code="frame.invalid", detail=detail))
            return
        except msgspec.DecodeError:
            self.close(p.CloseCode.PROTOCOL, "not JSON")
            return
        if self._signing_in and len(self._deferred) >= MAX_IN_FLIGHT:
            self.tell(p.Err(re=frame.id, code="rate.limited", retry_after=1.0))
        elif self._signing_in:
            self._deferred.append(frame)
        else:
            self._receive(frame)

    def _receive(self, frame: p.Incoming) -> None:
        who = self.attendance.session.who
        if wait_s := self._allowance.frame(frame, who.id if who is not None else None):
            self._limit(frame.id, wait_s)
            return
        for effect in s.receive(self.attendance.session, frame, self._runtime.now()):
            self._take(effect, frame.traceparent)

    def _limit(self, re: UUID | None, wait_s: float) -> None:
        """Say when to come again; who does not listen is cut off."""
        if self._allowance.exhausted():
            self.close(p.CloseCode.FLOODING, "rate.limited")
        else:
            self.tell(p.Err(re=re, code="rate.limited", retry_after=ceil(wait_s * 1_000) / 1_000))

    def _signed_in(self) -> None:
        """What was said while the token was looked at is heard now, in its order."""
        self._signing_in = False
        while self._deferred and not self._signing_in:
            self._receive(self._deferred.pop(0))

    def _take(self, effect: s.Effect, traceparent: str = "") -> None:
        """Motion and answers at once; acts side by side; all else one after the other."""
        match effect:
            case s.Tell(frame=frame):
                self.tell(frame)
            case s.Move(membership=membership, event=event):
                self.attendance.move(membership, event)
            case s.See(membership=membership, pos=pos):
                self.attendance.saw(membership, pos)
            case _ if len(self._queue) + len(self._tasks) >= MAX_IN_FLIGHT:
                self.tell(p.Err(re=s.re_of(effect), code="rate.limited", retry_after=1.0))
            case s.Run(parts=parts) if not self._queue and all(part.blind for part in parts):
                self._spawn(self._do(effect, traceparent))
            case _:
                self._signing_in |= isinstance(effect, s.Authenticate)
                self._queue.append((effect, traceparent))
                if self._worker is None:
                    self._worker = self._spawn(self._work())

    async def _work(self) -> None:
        """The queue, oldest first; an effect leaves it when it is done."""
        while self._queue:
            await self._do(*self._queue[0])
            del self._queue[0]
        self._worker = None

    async def _do(self, effect: s.Effect, traceparent: str) -> None:
        with serving(f"ws {type(effect).__name__}", traceparent, s.re_of(effect)):
            await self._guarded(self._perform(effect), s.re_of(effect))

    async def _guarded(self, work: Coroutine[Any, Any, None], re: UUID | None = None) -> None:
        """Run it; whatever goes wrong is an answer."""
        try:
            self._runtime.reach.require()
            await work
        except NotAuthenticated as error:
            self.tell(failure(error, re))
            self.close(p.CloseCode.NOT_AUTHENTICATED, error.code)
        except Exception as error:  # noqa: BLE001, it is told and, where unexpected, logged
            self.tell(failure(error, re), hidden=isinstance(error, Hidden))
        finally:
            work.close()  # it may not have begun

    async def _certainly(self, work: Awaitable[None]) -> bool:
        """What the client did not ask for and must not lack: its rights, its place in a room.

        Where it fails the client is sent away, to come back and resume.
        """
        try:
            await work
        except Exception as error:  # noqa: BLE001, as above
            self.tell(failure(error, None))
            self.close(p.CloseCode.OVERLOADED, "come back")
            return False
        return True

    async def _perform(self, effect: s.Effect) -> None:
        attendance = self.attendance
        match effect:
            case s.Authenticate(token=token, frame=frame):
                await self.sign_in(token, frame)
            case s.Enter(room=room, after=after, location=location, re=re):
                async with self._waves.joined():
                    await attendance.enter(room, after, location, re)
            case s.Exit(membership=membership, reason=reason, re=re):
                outcome = await attendance.exit(membership, reason, re)
                self.tell(p.Ack(re=re, pos=outcome.position if outcome else None))
            case s.Run(re=re, membership=membership, parts=parts):
                with self._runtime.reach.bounded():
                    outcome = await attendance.execute(re, membership.project, *parts)
                self.tell(p.Ack(re=re, pos=outcome.position))
            case s.Hold():
                with self._runtime.reach.bounded():
                    await attendance.holding.hold(effect)
            case s.Play(frame=frame):
                await self.replays.open(attendance.session.who, frame)
            case s.Steer(frame=frame):
                await self.replays.steer(frame)
            case s.Move() | s.See() | s.Tell():
                return  # done when they were taken
            case _:
                assert_never(effect)

    # who

    async def sign_in(self, token: str, frame: p.Hello | p.Token | None) -> None:
        """Raises NotAuthenticated."""
        self._signing_in = True
        try:
            async with self._waves.joined():
                await self._welcome(await authenticate(self._runtime, token), frame)
        finally:
            self._signed_in()

    async def _welcome(self, caller: Caller, frame: p.Hello | p.Token | None) -> None:
        """The token is good: on a new connection say so and join what is asked, else renew."""
        if not caller.within(Action.ROOM_JOIN):
            raise NotAuthenticated("auth.out_of_scope")
        session = self.attendance.session
        known = session.who
        if known is not None and (known.id, known.scopes) != (caller.id, caller.scopes):
            raise NotAuthenticated("auth.other_user")
        device = no_nul(frame.device) if isinstance(frame, p.Hello) else session.device
        if known is None and not self._seated(caller.id, frame):
            return
        self.attendance.session = msgspec.structs.replace(
            session, expires=caller.expires, device=device
        )
        self._warned, self._login = False, caller.session
        self._origin = msgspec.structs.replace(self._origin, actor=caller.id, api_key=caller.key)
        self.attendance.signed_in(caller.who, self._origin)
        re = frame.id if frame is not None else None
        if known is not None:
            self.tell(p.Ack(re=re))
        else:
            self.tell(welcome_frame(self._runtime, self._epoch, self.id, caller.id, re))
            if not await self._certainly(self._hear_of_rights(caller.who)):
                return
        if isinstance(frame, p.Hello):
            await self._resume(caller.id, frame)

    async def _hear_of_rights(self, who: Who) -> None:
        """By one's own room. Whoever changed them before could not tell: so they are looked at."""
        try:
            await self.attendance.enter(f"user:{who.id}", None, "", None)
        except NotAllowed:  # to read it, by a key for other things
            await self.attendance.overhear(who.id, Ears(self.rights_changed, self.granted))
        await self._review_person(who)

    def _seated(self, user: UUID, frame: p.Hello | p.Token | None) -> bool:
        seat = self._runtime.limits.users.take(str(user))
        if seat is not None:
            self.seats.append(seat)
            return True
        re = frame.id if frame is not None else None
        self.tell(p.Err(re=re, code="connections.too_many", retry_after=RETRY_S))
        self.close(p.CloseCode.FLOODING, "connections.too_many")
        return False

    async def _resume(self, user: UUID, hello: p.Hello) -> None:
        if (hello.resume or hello.auto) and (wait_s := self._runtime.limits.action(user)):
            self._limit(None, wait_s)
            return
        for enter in await resumed(self._runtime, self._epoch, user, hello):
            self._take(enter)

    async def _review_project(self, project: UUID) -> None:
        await self.attendance.review(project)
        await self.replays.review(self.attendance.session.who)

    async def _review_person(self, who: Who) -> None:
        """The account changed: it may have ended, or have another role."""
        user = (await self._runtime.load(USER, who.id)).state
        if not user.active:
            self.close(p.CloseCode.NOT_ALLOWED, "auth.deactivated")
            return
        if self._login is not None and user.entry.ended(self._login):
            self.close(p.CloseCode.NOT_AUTHENTICATED, "auth.signed_out")
            return
        who = msgspec.structs.replace(who, role=user.role)
        self.attendance.signed_in(who, self._origin)
        for project in {one.project for one in self.attendance.session.rooms.values()}:
            await self.attendance.review(project)
        await self.replays.review(self.attendance.session.who)

    # time, and the end

    def tick(self, now: float, at: datetime) -> None:
        """Once a second: time-outs, the token's end, a slow peer, locks to renew.

        `now` is the loop's time and `at` the clock's: read once for ten thousand connections.
        """
        silent = self.attendance.session.who is None and not self._signing_in
        if silent and now - self._opened > p.HELLO_S:
            self.close(p.CloseCode.NOT_AUTHENTICATED, "no token in time")
        if self._patience.tried(now, paused=self._wire.paused):
            self._cut_off()
        self._watch_token(at)
        if self.attendance.holding.locks.held and self._renewing is None:
            self._renewing = self._spawn(self._renew())

    async def _renew(self) -> None:
        """By itself: while Postgres is away it waits, and nobody's time stands still."""
        try:
            await self.attendance.holding.renew()
        except Exception as error:  # noqa: BLE001, the next second tries again
            log.warning("locks_not_renewed", error=repr(error))
        finally:
            self._renewing = None

    def _watch_token(self, at: datetime) -> None:
        expires = self.attendance.session.expires
        if expires is None:
            return
        left = (expires - at).total_seconds()
        if left <= 0:
            self.close(p.CloseCode.NOT_AUTHENTICATED, "auth.expired")
        elif left <= EXPIRING_S and not self._warned:
            self._warned = True
            self.tell(p.Expiring(in_=int(left * 1_000)))

    def tell(self, frame: p.ServerFrame, *, hidden: bool = False) -> None:
        if isinstance(frame, p.Err):
            self._refusals.told(frame, self._origin, hidden=hidden)
        ready = text_frame(p.encode_frame(frame))
        if self._patience.burdened(len(ready), paused=self._wire.paused):
            self._cut_off()
        else:
            self._wire.send(ready)

    def _cut_off(self) -> None:
        self.close(p.CloseCode.TOO_SLOW, "read too slowly")
        self._wire.abort()

    def close(self, code: int, reason: str) -> None:
        self._wire.close(code, reason)

    def _drained(self) -> None:
        self.attendance.drained()
        self.replays.drained()

    def _closed(self, code: int, reason: str) -> None:
        """The socket is gone; `finished` waits until what others must hear of it is stored."""
        self._meters.closed(code, reason)
        self.attendance.close()
        while self.seats:
            self.seats.pop()()
        self.replays.close()
        self._spawn(self._goodbye(REASONS.get(code, LeaveReason.DROPPED)))

    async def _goodbye(self, reason: LeaveReason) -> None:
        """What others must hear, after what the client still asked for."""
        while others := self._tasks - {asyncio.current_task()}:
            await asyncio.wait(others)
        await self.attendance.goodbye(reason)
        self._gone(self.id)
        self._free()

    def _free(self) -> None:
        """Nothing of it is under way any more: cut what knows it in turn (infra/collector.py)."""
        del self.attendance.holding, self.attendance, self.replays

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
