"""The group-committing writer: any number of callers, one transaction for all that wait.

While one batch commits (one round trip, one fsync) the next one gathers; there is no timer, so
an idle store adds no wait and a busy one makes large batches by itself.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg.rows import class_row

from domain.kernel import Metadata
from infra.db import Connection
from infra.eventstore.codec import encode, encode_metadata
from infra.eventstore.types import (
    ANY,
    MAX_EVENTS,
    Appended,
    BadAppend,
    Conflict,
    Motion,
    Repeated,
    StoreOverloaded,
    To,
)

MAX_BATCH = 1_000  # events of one transaction: keeps the lock's hold short
MAX_WAITING = 20_000  # commands queued before callers are turned away
MAX_MOTION = 10_000  # (participation, tag) pairs waiting; newer replace older
BACK_OFF_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

log = structlog.get_logger()

APPEND = """
SELECT outcomes, positions, versions, motion_positions, recorded_at FROM formula_append(
    %b::uuid[], %b::bytea[], %b::int4[], %b::uuid[], %b::int8[], %b::int4[], %b::text[],
    %b::bytea[], %b::uuid[], %b::uuid[], %b::uuid[], %b::text[], %b::bytea[])
"""
# The plans never depend on the arrays: planning them anew cost a quarter of an append.
SESSION = (
    "-c lock_timeout=10s -c transaction_timeout=30s -c synchronous_commit=on"
    " -c plan_cache_mode=force_generic_plan"
)

STORED, REPEATED, CONFLICT = 0, 1, 2


class _Row(msgspec.Struct, frozen=True):
    outcomes: list[int] | None
    positions: list[int] | None
    versions: list[int] | None
    motion_positions: list[int] | None
    recorded_at: datetime


class _Waiting(msgspec.Struct, eq=False):
    """A command that waits for its transaction."""

    id: UUID
    metadata: bytes
    checks: Sequence[tuple[UUID, int]]
    events: Sequence[tuple[int, str, bytes]]  # (index of its check, tag, state)
    done: asyncio.Future[Appended]
    sent: bool = False  # once sent, an unknown outcome may hide a commit

    def shareable(self) -> bool:
        """Streams of such commands may take several of them in one batch."""
        return len(self.checks) == 1 and self.checks[0][1] == ANY


_Key = tuple[UUID, str]  # participation, tag
_MotionRow = tuple[UUID, UUID, UUID | None, str, bytes]


class Writer:
    """One for each process and database. `run` must be running for appends to finish."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._durable: deque[_Waiting] = deque()
        self._motion: dict[_Key, _MotionRow] = {}
        self._wake = asyncio.Event()
        self._closing = False

    async def append(self, metadata: Metadata, *parts: To) -> Appended:
        """Store every part or none; returns once they are durable.

        Raises Conflict, Repeated (the command id is stored already), StoreOverloaded, BadAppend,
        and codec's UnknownTag and TooLarge. `metadata.command_id` is required. Cancelling the
        caller does not take back what was queued: the command id tells what became of it.
        """
        if len(self._durable) >= MAX_WAITING or self._closing:
            raise StoreOverloaded
        waiting = _prepare(metadata, parts)
        self._durable.append(waiting)
        self._wake.set()
        return await waiting.done

    def append_motion(self, motion: Motion) -> None:
        """Queue a fact; what is newer for the same participation and tag replaces it."""
        tag, state = encode(motion.event)
        key = (motion.participation, tag)
        if key not in self._motion and len(self._motion) >= MAX_MOTION:
            return
        self._motion[key] = (motion.participation, motion.actor, motion.project, tag, state)
        self._wake.set()

    async def run(self) -> None:
        """Commit batches until `close`; a lost connection is opened again, nothing is given up."""
        connection: Connection | None = None
        try:
            while await self._something_waits():
                batch, motion = self._take()
                connection = await self._commit(connection, batch, motion)
        finally:
            if connection is not None:
                await connection.close()

    def close(self) -> None:
        """Take no more appends; `run` returns when those that wait are stored."""
        self._closing = True
        self._wake.set()

    async def _something_waits(self) -> bool:
        while not self._durable and not self._motion:
            if self._closing:
                return False
            self._wake.clear()
            await self._wake.wait()
        return True

    def _take(self) -> tuple[list[_Waiting], list[_MotionRow]]:
        """The next batch, durable commands first; motion takes the room that is left."""
        batch = take_batch(self._durable)
        room = max(MAX_BATCH - sum(len(waiting.events) for waiting in batch), 0)
        keys = list(self._motion)[:room]
        return batch, [self._motion.pop(key) for key in keys]

    async def _commit(
        self,
        connection: Connection | None,
        batch: list[_Waiting],
        motion: list[_MotionRow],
    ) -> Connection | None:
        """Send one batch until Postgres answers; returns the connection to go on with."""
        for attempt in range(1_000_000):
            try:
                if connection is None:
                    connection = await psycopg.AsyncConnection[Any].connect(
                        self._conninfo, autocommit=True, options=SESSION
                    )
                row = await _send(connection, batch, motion)
            except psycopg.OperationalError as error:
                # The commit may have happened: the command ids tell, when the batch goes again.
                log.warning("append_retried", attempt=attempt, error=str(error).strip())
                connection = await _drop(connection)
                if self._closing and attempt > len(BACK_OFF_S):
                    _fail(batch, StoreOverloaded())
                    return connection
                await asyncio.sleep(BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)])
            except Exception as error:  # noqa: BLE001, the callers get it; the writer lives on
                await self._one_by_one(connection, batch, error)
                return connection
            else:
                await self._answer(connection, batch, row)
                return connection
        return connection

    async def _one_by_one(
        self,
        connection: Connection | None,
        batch: list[_Waiting],
        error: Exception,
    ) -> None:
        """Postgres refused the batch as a whole: only the command at fault may fail."""
        log.error("append_refused", commands=len(batch), error=str(error).strip())
        if len(batch) <= 1 or connection is None:
            _fail(batch, error)
            return
        for waiting in batch:
            await self._commit(connection, [waiting], [])

    async def _answer(self, connection: Connection, batch: list[_Waiting], row: _Row) -> None:
        start = 0
        positions, versions = row.positions or [], row.versions or []
        for waiting, outcome in zip(batch, row.outcomes or [], strict=True):
            if outcome == STORED:
                end = start + len(waiting.events)
                _resolve(
                    waiting,
                    Appended(
                        tuple(positions[start:end]), tuple(versions[start:end]), row.recorded_at
                    ),
                )
                start = end
            elif outcome == REPEATED and waiting.sent:
                _resolve(waiting, await _recorded(connection, waiting.id))
            elif not waiting.done.done():
                waiting.done.set_exception(Repeated() if outcome == REPEATED else Conflict())


def take_batch(queue: deque[_Waiting]) -> list[_Waiting]:
    """Take from the queue what may share a transaction, in order; the rest stays, in order.

    A stream belongs to one command of the batch, or to single-stream `any` appends alone.
    """
    batch: list[_Waiting] = []
    later: list[_Waiting] = []
    exclusive: set[UUID] = set()
    shared: set[UUID] = set()
    ids: set[UUID] = set()
    events = 0
    while queue and events < MAX_BATCH and len(later) < MAX_BATCH:
        waiting = queue.popleft()
        streams = {stream for stream, _ in waiting.checks}
        clash = exclusive if waiting.shareable() else exclusive | shared
        if waiting.id in ids or not streams.isdisjoint(clash):
            later.append(waiting)
            exclusive |= streams  # what comes after it on these streams waits behind it
            continue
        ids.add(waiting.id)
        (shared if waiting.shareable() else exclusive).update(streams)
        batch.append(waiting)
        events += len(waiting.events)
    queue.extendleft(reversed(later))
    return batch


def _prepare(metadata: Metadata, parts: Sequence[To]) -> _Waiting:
    if metadata.command_id is None:
        raise BadAppend("metadata.command_id is required")
    size = sum(len(part.events) for part in parts)
    if not 0 < size <= MAX_EVENTS:
        raise BadAppend(f"a command stores 1 to {MAX_EVENTS} events, not {size}")
    if len({part.stream for part in parts}) != len(parts):
        raise BadAppend("a command names a stream once")
    return _Waiting(
        id=metadata.command_id,
        metadata=encode_metadata(metadata),
        checks=[(part.stream, part.expected) for part in parts],
        events=[
            (check, *encode(event)) for check, part in enumerate(parts) for event in part.events
        ],
        done=asyncio.get_running_loop().create_future(),
    )


async def _send(
    connection: Connection, batch: Sequence[_Waiting], motion: Sequence[_MotionRow]
) -> _Row:
    async with connection.cursor(row_factory=class_row(_Row)) as cursor:
        try:
            await cursor.execute(APPEND, _arguments(batch, motion), prepare=True)
        except BaseException:
            for waiting in batch:
                waiting.sent = True
            raise
        row = await cursor.fetchone()
    if row is None:
        raise BadAppend("formula_append returned no row")
    return row


def _arguments(batch: Sequence[_Waiting], motion: Sequence[_MotionRow]) -> list[list[object]]:
    """The arrays of formula_append: commands, checks, events, motion; numbered from 1."""
    checks: list[tuple[int, UUID, int]] = []
    events: list[tuple[int, str, bytes]] = []
    for number, waiting in enumerate(batch, start=1):
        base = len(checks) + 1
        checks += [(number, stream, version) for stream, version in waiting.checks]
        events += [(base + check, tag, state) for check, tag, state in waiting.events]
    return [
        [waiting.id for waiting in batch],
        [waiting.metadata for waiting in batch],
        *_columns(checks, 3),
        *_columns(events, 3),
        *_columns(motion, 5),
    ]


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[column] for row in rows] for column in range(width)]


async def _recorded(connection: Connection, command_id: UUID) -> Appended:
    """What an earlier sending of the same command stored."""
    async with connection.cursor(row_factory=class_row(_Row)) as cursor:
        await cursor.execute(RECORDED, {"id": command_id})
        row = await cursor.fetchone()
    if row is None:
        raise BadAppend("a repeated command has no events")
    return Appended(tuple(row.positions or ()), tuple(row.versions or ()), row.recorded_at)


# A command's positions follow one another: they were drawn under one lock.
RECORDED = """
SELECT NULL::int[] AS outcomes, NULL::int8[] AS motion_positions,
    array_agg(e.notification_id ORDER BY e.notification_id) AS positions,
    array_agg(e.originator_version ORDER BY e.notification_id) AS versions,
    min(e.recorded_at) AS recorded_at
FROM formula_events f JOIN formula_events e
    ON e.notification_id >= f.notification_id
    AND e.notification_id < f.notification_id + f.command_size
WHERE f.command_id = %(id)s
HAVING count(*) > 0
"""


def _resolve(waiting: _Waiting, appended: Appended) -> None:
    if not waiting.done.done():  # the caller may have gone
        waiting.done.set_result(appended)


def _fail(batch: Iterable[_Waiting], error: Exception) -> None:
    for waiting in batch:
        if not waiting.done.done():
            waiting.done.set_exception(error)


async def _drop(connection: Connection | None) -> None:
    if connection is not None:
        await connection.close()
