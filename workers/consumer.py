"""The log as an outbox: events become job rows, in one transaction with the checkpoint."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psycopg
import structlog

from domain.kernel import Event, Recorded
from infra.db import FENCED, Connection, leading
from infra.jobs import NewJob, insert_jobs
from infra.runtime import Runtime
from workers.model import QUEUES, Job
from workers.relay import Relay
from workers.runner import Tuning
from workers.together import side_by_side

CONSUMER = "jobs"
BATCH = 1_000  # events
WRITE_S = 1.0  # between checkpoints while there are no jobs
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)

log = structlog.get_logger()


async def consume(
    runtime: Runtime, kinds: Sequence[Job[Any]], tuning: Tuning, note: Callable[[bool], None]
) -> None:
    """Turn events into jobs for ever, when leading; `note(leads)` hears about it.

    Raises UnknownTag: the process must then stop.
    """
    failures = 0
    while True:
        note(False)
        try:
            async with leading(runtime.settings.database_url, CONSUMER) as connection:
                note(True)
                failures = 0
                await _lead(runtime, connection, kinds, tuning)
        except psycopg.Error as error:
            if not isinstance(error, psycopg.OperationalError) and error.sqlstate != FENCED:
                raise
            log.warning("consumer_stepped_down", error=str(error).strip())
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1


async def _lead(
    runtime: Runtime, connection: Connection, kinds: Sequence[Job[Any]], tuning: Tuning
) -> None:
    relay = Relay(runtime, QUEUES, tuning)
    await side_by_side(_follow(runtime, connection, kinds, relay), relay.hint(), relay.expire())


async def _follow(
    runtime: Runtime, connection: Connection, kinds: Sequence[Job[Any]], relay: Relay
) -> None:
    """Most events ask for nothing: their positions are only written down once a second."""
    follower, loop = runtime.store.follower, asyncio.get_running_loop()
    position = written = await _position(connection)
    due = loop.time() + WRITE_S
    while True:
        seen = follower.count
        batch = await runtime.store.read(position, BATCH, motion=False)
        jobs = [job for recorded in batch for job in reactions(recorded, kinds)]
        position = batch[-1].position if batch else position
        if jobs or (position > written and loop.time() >= due):
            if await _advance(connection, written, position, jobs):
                relay.wake()
            written, due = position, loop.time() + WRITE_S
        if len(batch) < BATCH:
            await follower.wait(seen)


async def _position(connection: Connection) -> int:
    cursor = await connection.execute(
        "SELECT position FROM formula_checkpoints WHERE name = %s", (CONSUMER,)
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def _advance(connection: Connection, position: int, to: int, jobs: Sequence[NewJob]) -> int:
    """Rows and checkpoint together; how many rows are new."""
    async with connection.transaction():
        if not jobs:  # a checkpoint lost in a crash: the same events make no jobs again
            await connection.execute("SET LOCAL synchronous_commit = off")
        await connection.execute("SELECT formula_advance(%s, %s, %s)", (CONSUMER, position, to))
        return await insert_jobs(connection, jobs) if jobs else 0


def reactions(recorded: Recorded[Event], kinds: Sequence[Job[Any]]) -> list[NewJob]:
    """The jobs that an event asks for. A kind that fails at it leaves a dead one to be seen."""
    asked: list[NewJob] = []
    for kind in kinds:
        if not isinstance(recorded.event, kind.events):
            continue
        try:
            asked.extend(
                _job(kind, recorded, args.key, msgspec.to_builtins(args))
                for args in kind.react(recorded)
            )
        except Exception as error:
            log.exception("reaction_failed", name=kind.name, position=recorded.position)
            asked.append(_job(kind, recorded, "", {}, repr(error)))
    return asked


def _job(
    kind: Job[Any],
    recorded: Recorded[Event],
    key: str,
    args: dict[str, Any],
    error: str | None = None,
) -> NewJob:
    return NewJob(
        queue=kind.queue.name,
        name=kind.name,
        consumer=CONSUMER,
        position=recorded.position,
        key=key,
        args=args,
        max_attempts=kind.queue.max_attempts,
        correlation_id=recorded.meta.correlation_id,
        owner=recorded.meta.actor,
        error=error,
    )
