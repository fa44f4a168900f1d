"""The log as an outbox: events become job rows, in one transaction with the checkpoint."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg
import structlog

from domain.jobs import CancelAsked, RetryAsked
from domain.kernel import Event, Recorded
from domain.queue import DeadDiscardAsked, DeadRetryAsked, QueuePaused, QueueResumed
from infra.db import FENCED, Connection, leading
from infra.jobs import managing
from infra.jobs.making import insert_jobs
from infra.jobs.model import CONSUMER, NewJob
from infra.jobs.queues import queues_of
from infra.runtime import Runtime
from workers.model import Job
from workers.owners import Owners
from workers.reactions import Reactions
from workers.relay import Relay, Take
from workers.runner import Tuning
from workers.together import side_by_side

BATCH = 1_000  # events
MOST = 5_000  # changes to rows in a transaction, and those of one event more
WRITE_S = 1.0  # between checkpoints while there are no jobs
SILENT_S = 5.0  # a leader that hangs loses its lease
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)

# What operators ask of rows that are there, rather than for new ones.
ORDERS = (CancelAsked, RetryAsked, QueuePaused, QueueResumed, DeadRetryAsked, DeadDiscardAsked)

Change = NewJob | Recorded[Event]  # the latter: an order

log = structlog.get_logger()


async def consume(
    runtime: Runtime,
    kinds: Sequence[Job[Any]],
    tuning: Tuning,
    note: Callable[[bool], None],
    owners: Owners,
    take: Take,
) -> None:
    """Turn events into jobs for ever, when leading; `note(leads)` hears about it.

    `take`: see Relay.

    Raises UnknownTag: the process must then stop.
    """
    failures = 0
    while True:
        note(False)
        try:
            url = runtime.settings.database_url
            async with leading(url, CONSUMER, silent_s=SILENT_S) as connection:
                note(True)
                failures = 0
                queues = queues_of(runtime.settings)
                relay = Relay(runtime, queues, tuning, owners, take)
                reactions = Reactions(kinds, queues)
                follow = _follow(runtime, connection, reactions, relay, owners)
                await side_by_side(follow, relay.hint(), relay.expire())
        except psycopg.Error as error:
            if not isinstance(error, psycopg.OperationalError) and error.sqlstate != FENCED:
                raise
            log.warning("consumer_stepped_down", error=str(error).strip())
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1


async def _follow(
    runtime: Runtime, connection: Connection, reactions: Reactions, relay: Relay, owners: Owners
) -> None:
    """Most events ask for nothing: their positions are only written down once a second."""
    follower, loop = runtime.store.follower, asyncio.get_running_loop()
    position = written = await _position(connection)
    due = loop.time() + WRITE_S
    while True:
        seen = follower.count
        batch = await follower.read(position, BATCH, motion=False)
        changes, to = changes_of(batch, reactions)
        position = position if to is None else to
        if changes or loop.time() >= due:
            if position != written:
                made, ended = await advance(connection, written, position, changes, reactions)
                relay.made(made)
                owners.ended(ended)
            else:  # a leader that says nothing loses its lease
                await connection.execute("SELECT 1")
            written, due = position, loop.time() + WRITE_S
        if len(batch) < BATCH and (not batch or position == batch[-1].position):
            with suppress(TimeoutError):
                async with asyncio.timeout(WRITE_S):
                    await follower.wait(seen)


def changes_of(
    batch: Sequence[Recorded[Event]], reactions: Reactions
) -> tuple[Sequence[Change], int | None]:
    """New jobs, or events themselves that are orders; and the position up to which these are all.

    Of events that ask for thousands only so many are looked at: rows are made a few at a time.
    """
    changes: list[Change] = []
    position: int | None = None
    for recorded in batch:
        order = isinstance(recorded.event, ORDERS)
        changes += [recorded] if order else reactions.of(recorded)
        position = recorded.position
        if len(changes) >= MOST:
            break
    return changes, position


async def _position(connection: Connection) -> int:
    cursor = await connection.execute(
        "SELECT position FROM formula_checkpoints WHERE name = %s", (CONSUMER,)
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def advance(
    connection: Connection,
    position: int,
    to: int,
    changes: Sequence[Change],
    reactions: Reactions,
) -> tuple[Counter[str], list[UUID]]:
    """Rows and checkpoint together, in the order of the log.

    How many jobs are new, by queue; and those that were called off.
    """
    made: Counter[str] = Counter()
    ended: list[UUID] = []
    async with connection.pipeline(), connection.transaction():
        if not changes:  # a checkpoint lost in a crash: the same events make no jobs again
            await connection.execute("SET LOCAL synchronous_commit = off")
        await connection.execute("SELECT formula_advance(%s, %s, %s)", (CONSUMER, position, to))
        for _, same in groupby(changes, lambda change: isinstance(change, NewJob)):
            group = list(same)
            jobs = [change for change in group if isinstance(change, NewJob)]
            if jobs:
                new = await insert_jobs(connection, jobs)
                made.update(job.queue for job in jobs if job.id in new)
            for order in group:
                if not isinstance(order, NewJob):
                    ended += await _obeyed(connection, order, reactions)
                    made[""] += 1
    return made, ended


async def _obeyed(db: Connection, order: Recorded[Any], reactions: Reactions) -> list[UUID]:
    """One that Postgres does not take is passed over: every leader would end at it."""
    try:
        async with db.transaction():
            return await _obey(db, order, reactions)
    except (psycopg.IntegrityError, psycopg.DataError) as error:
        log.error(  # noqa: TRY400, its own words suffice
            "order_not_obeyed", position=order.position, error=str(error).strip()
        )
        return []


async def _obey(db: Connection, order: Recorded[Any], reactions: Reactions) -> list[UUID]:
    """The jobs that it ends."""
    match order.event:
        case CancelAsked(reason=reason):
            return await managing.cancel(db, order.stream, reason)
        case RetryAsked():
            await managing.retry(db, order.stream, reactions.attempts)
        case QueuePaused(queue=queue, reason=reason):
            await managing.pause(db, queue, order.at, order.meta.actor, reason)
        case QueueResumed(queue=queue):
            await managing.resume(db, queue)
        case DeadRetryAsked(queue=queue, job=name):
            await managing.retry_dead(db, queue, name, reactions.attempts)
        case DeadDiscardAsked(queue=queue, job=name, reason=reason):
            return await managing.discard_dead(db, queue, name, reason)
        case event:
            raise TypeError(f"not an order: {event!r}")
    return []
