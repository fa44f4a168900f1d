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
from domain.queue import DeadRetryAsked, QueuePaused, QueueResumed
from infra.db import FENCED, Connection, leading
from infra.jobs import managing
from infra.jobs.making import insert_jobs
from infra.jobs.model import CONSUMER, NewJob
from infra.jobs.queues import queues_of
from infra.runtime import Runtime
from workers.model import Job
from workers.progress import tell_ended
from workers.reactions import Reactions
from workers.relay import Relay, Take
from workers.runner import Tuning
from workers.together import side_by_side

BATCH = 1_000  # events
WRITE_S = 1.0  # between checkpoints while there are no jobs
SILENT_S = 5.0  # a leader that hangs loses its lease
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)

# What operators ask of rows that are there, rather than for new ones.
ORDERS = (CancelAsked, RetryAsked, QueuePaused, QueueResumed, DeadRetryAsked)

Change = NewJob | Recorded[Event]  # the latter: an order

log = structlog.get_logger()


async def consume(
    runtime: Runtime,
    kinds: Sequence[Job[Any]],
    tuning: Tuning,
    note: Callable[[bool], None],
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
                relay = Relay(runtime, queues, tuning, take)
                follow = _follow(runtime, connection, Reactions(kinds, queues), relay)
                await side_by_side(follow, relay.hint(), relay.expire())
        except psycopg.Error as error:
            if not isinstance(error, psycopg.OperationalError) and error.sqlstate != FENCED:
                raise
            log.warning("consumer_stepped_down", error=str(error).strip())
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1


async def _follow(
    runtime: Runtime, connection: Connection, reactions: Reactions, relay: Relay
) -> None:
    """Most events ask for nothing: their positions are only written down once a second."""
    follower, loop = runtime.store.follower, asyncio.get_running_loop()
    position = written = await _position(connection)
    due = loop.time() + WRITE_S
    while True:
        seen = follower.count
        batch = await runtime.store.read(position, BATCH, motion=False)
        changes = [change for recorded in batch for change in changes_of(recorded, reactions)]
        position = batch[-1].position if batch else position
        if changes or loop.time() >= due:  # a leader that says nothing loses its lease
            made, ended = await advance(connection, written, position, changes, reactions)
            relay.made(made)
            await tell_ended(runtime, ended)
            written, due = position, loop.time() + WRITE_S
        if len(batch) < BATCH:
            with suppress(TimeoutError):
                async with asyncio.timeout(WRITE_S):
                    await follower.wait(seen)


def changes_of(recorded: Recorded[Event], reactions: Reactions) -> Sequence[Change]:
    """New jobs, or the event itself where it is an order."""
    return [recorded] if isinstance(recorded.event, ORDERS) else reactions.of(recorded)


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
                    ended += await _obey(connection, order, reactions)
                    made[""] += 1
    return made, ended


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
        case event:
            raise TypeError(f"not an order: {event!r}")
    return []
