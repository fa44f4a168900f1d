"""Keeps the locks of one connection: asks, renews, gives up, and hears when a queue comes to it."""

import contextlib
from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from api.realtime import protocol as p
from api.realtime import session as s
from api.realtime.locking import (
    Awaited,
    Due,
    Granted,
    Locks,
    Stay,
    held_lock,
    releases,
    renewals,
    withdrawals,
)
from api.realtime.turns import Turns
from api.realtime.wire import text_frame
from domain.errors import Refused, WrongState
from domain.lock import LOCK, Lock, Unwaited
from infra.eventstore.execute import Outcome
from infra.eventstore.types import Conflict
from infra.runtime import Runtime


class Execute(Protocol):
    """Stores the parts in one transaction."""

    def __call__(
        self, re: UUID | None, project: UUID | None, *parts: s.Part
    ) -> Awaitable[Outcome]: ...


class Sender(Protocol):
    """Sends a ready frame."""

    def send(self, frame: bytes) -> None: ...


class Holding:
    """Learns from what the store accepts, and from grants; a theft shows at the next renewal."""

    def __init__(self, runtime: Runtime, execute: Execute, socket: Sender, turns: Turns) -> None:
        self.locks = Locks()
        self._turns = turns
        self._runtime, self._execute, self._socket = runtime, execute, socket

    async def hold(self, effect: s.Hold) -> None:
        """Answer with the lock as it is after the command, or with the place in its queue."""
        frame, at, stream = effect.frame, effect.at, effect.part.stream
        if isinstance(frame, p.Lock | p.Steal) and self.locks.full(stream):
            raise WrongState("lock.too_many", most=p.MAX_LOCKS)
        async with self._turns.of(stream):
            outcome = await self._execute(frame.id, at.project, effect.part)
        ack = p.Ack(re=frame.id, pos=outcome.position)
        if isinstance(frame, p.Unlock):
            self.locks = self.locks.without(stream)
        elif isinstance(frame, p.Unwait):
            self.locks = self.locks.without(stream, at.room)
        else:
            lock = await self._now(stream)
            # A client that comes back has another participation, and still its token.
            known = outcome.repeated or (isinstance(frame, p.Renew) and frame.token == lock.token)
            ack = self._answer(ack, at, stream, lock, known=known)
        self._socket.send(text_frame(p.encode_frame(ack)))

    def _answer(self, ack: p.Ack, at: Stay, stream: UUID, lock: Lock, *, known: bool) -> p.Ack:
        """Raises WrongState where it was lost again meanwhile."""
        place, mine = lock.place(at.participation), lock.participation == at.participation
        if (mine or known) and lock.holder == at.user and lock.expires is not None:
            self.locks = self.locks.holding(stream, held_lock(at, lock, lock.expires))
            return msgspec.structs.replace(ack, lock=_shown(lock, at.user, lock.expires))
        if place:
            awaited = Awaited(at.room, at.project, at.participation)
            self.locks = self.locks.waiting(stream, awaited)
            return msgspec.structs.replace(ack, queued=place)
        self.locks = self.locks.without(stream, at.room)
        raise WrongState("lock.lost", holder=lock.holder)

    async def _now(self, stream: UUID) -> Lock:
        lock = (await self._runtime.load(LOCK, stream)).state
        held = self.locks.held.get(stream)
        if held is not None and held.token > lock.version:  # granted while it was read
            lock = (await self._runtime.load(LOCK, stream)).state
        return lock

    def granted(self, room: str, project: UUID, granted: Granted) -> None:
        grant = granted.data
        at = Stay(grant.holder, room, grant.participation, project)
        self.locks = self.locks.holding(granted.subject, held_lock(at, grant, grant.expires))

    async def renew(self) -> None:
        """A lock lives as long as the connection that holds it."""
        if not self.locks.held:  # as in nearly every connection, each second
            return
        now = self._runtime.now()
        for due in renewals(self.locks, now):
            held = self.locks.held.get(due.stream)
            try:
                await self._do(due)
                after = self.locks.renewed(due.stream, now)
            except Refused:  # lost: its room was told by the event that took it
                after = self.locks.without(due.stream)
            if self.locks.held.get(due.stream) is held:  # and not another grant by now
                self.locks = after

    async def give_up(
        self, room: str | None, why: Unwaited, *, held: bool = True, kept: bool = False
    ) -> None:
        """Let go of what was asked for in `room` (None: in any): the queues, and what is `held`.

        `kept`: what is not released on leaving too.
        """
        now, locks = self._runtime.now(), self.locks
        due = releases(locks, room, now, kept=kept) if held else []
        due += withdrawals(locks, room, why, now)
        self.locks = Locks() if room is None else locks.outside(room)
        for one in due:
            # Lost meanwhile; or much wanted: then its lease ends, and who is gone is found.
            with contextlib.suppress(Refused, Conflict):
                await self._do(one)

    async def _do(self, due: Due) -> None:
        async with self._turns.of(due.stream):
            await self._execute(None, due.project, s.Part(LOCK, due.stream, due.command))


def _shown(lock: Lock, holder: UUID, expires: datetime) -> p.Held:
    return p.Held(
        resource=lock.resource,
        holder=holder,
        token=lock.token,
        expires=expires,
        participation=lock.participation,
        queue=[one.participation for one in lock.queue],
    )
