"""Runs jobs: claims the row, works under a lease and a time-out, writes down how it ended."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import msgspec
import psycopg
import structlog
from redis.exceptions import RedisError

from domain.errors import Refused
from domain.jobs import JobArgs
from infra.eventstore.codec import UnknownTag
from infra.jobs import working
from infra.jobs.model import Claim, End, JobState
from infra.mail import Mailer
from infra.runtime import Runtime
from workers.batching import Batcher
from workers.broker import send_hints
from workers.leases import Leases
from workers.model import Context, Job
from workers.progress import Progress, tell_ended

SETTLE_AGAIN_S = 0.5
CANCEL_S = 0.5  # for jobs to end when cancelled: a talk with a dumb mail server would take longer
MAX_RESULT = 65_536  # bytes of JSON

log = structlog.get_logger()


class Tuning(msgspec.Struct, frozen=True):
    """The times of job handling, in seconds."""

    lease_s: float = 3.0  # a worker silent for longer is lost; renewed four times within
    retry_base_s: float = 15.0  # bound of the first retry's delay; it doubles with each attempt
    retry_most_s: float = 600.0
    stop_s: float = 8.0  # what runs may go on for so long when the worker is told to stop


class Runner:
    """The jobs that this process runs. `failed` gets the error that must end the process."""

    def __init__(
        self, runtime: Runtime, mail: Mailer, kinds: Sequence[Job[Any]], tuning: Tuning
    ) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._runtime = runtime
        self._mail = mail
        self._kinds: Mapping[str, Job[Any]] = {kind.name: kind for kind in kinds}
        self._tuning = tuning
        self._leases = Leases(
            runtime.settings.database_url, runtime.node, tuning.lease_s, self._lose
        )
        self._tasks: dict[UUID, asyncio.Task[End | None]] = {}
        self._claim = Batcher(self._claim_all)
        self._settle = Batcher(self._settle_all)

    async def __aenter__(self) -> Self:
        await self._leases.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._leases.__aexit__(kind, error, traceback)

    async def run(self, queue: str) -> None:
        """Follow a hint: the first job of the queue, or none if others took all."""
        try:
            claim = await self._claim(queue)
        except psycopg.OperationalError as error:
            log.warning("hint_dropped", queue=queue, error=str(error).strip())
            return
        if claim is None:
            return
        kind = self._kinds.get(claim.name)
        asked_for = kind is not None and issubclass(kind.args, JobArgs)
        progress = Progress(self._runtime, claim, asked_for=asked_for)
        task = asyncio.create_task(self._attempt(kind, claim, progress), name=claim.name)
        self._leases.held[claim.id], self._tasks[claim.id] = claim.attempt, task
        await asyncio.wait({task})
        self._tasks.pop(claim.id, None)
        end = None if task.cancelled() else task.result()
        if end is not None:
            state = await self._write_down(claim, end)
            if state is not None:
                await progress.over(state, end.error)

    async def stop(self) -> None:
        """Cancel what still runs, and give it back."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_S)
        held = self._leases.held.copy()
        self._leases.held.clear()
        if not held:
            return
        log.info("jobs_released", jobs=len(held))
        try:
            async with self._runtime.db.connection() as db:
                await working.release(db, self._runtime.node, held)
        except psycopg.OperationalError as error:
            log.warning("jobs_not_released", jobs=len(held), error=str(error).strip())

    async def _attempt(self, kind: Job[Any] | None, claim: Claim, progress: Progress) -> End | None:
        """None: it could not be tried, and this process must stop."""
        if kind is None:  # a newer worker's
            return End(claim.id, claim.attempt, error="this worker knows no such job", retry=True)
        context = Context(
            self._runtime,
            self._mail,
            claim.id,
            claim.position,
            claim.correlation_id,
            claim.owner,
            claim.batch,
            progress,
        )
        try:
            args = msgspec.convert(claim.args, kind.args)
        except msgspec.ValidationError as error:
            return End(claim.id, claim.attempt, JobState.DEAD, f"unreadable arguments: {error}")
        try:
            await progress.begun()
            async with asyncio.timeout(kind.timeout_s):
                result = await kind.run(context, args)
        except Refused as refusal:
            error = f"{refusal.code} {msgspec.json.encode(refusal.detail).decode()}"
            return End(claim.id, claim.attempt, JobState.REFUSED, error)
        except UnknownTag as error:
            if not self.failed.done():
                self.failed.set_exception(error)
            return None
        except TimeoutError as error:
            text = str(error) or f"not done within {kind.timeout_s:g} s"
            return End(claim.id, claim.attempt, error=f"TimeoutError: {text}", retry=True)
        except Exception as error:  # noqa: BLE001, the job's own: written down, and tried again
            log.warning(
                "job_failed", job=str(claim.id), name=claim.name, error=type(error).__name__
            )
            return End(claim.id, claim.attempt, error=repr(error), retry=True)
        return End(claim.id, claim.attempt, result=_json(result))

    async def _write_down(self, claim: Claim, end: End) -> JobState | None:
        """Until it is written: what was done must not be done again because Postgres was away.

        The job's new state; None where it was no longer held.
        """
        while True:
            try:
                state = await self._settle(end)
                break
            except psycopg.OperationalError as error:
                log.warning("job_not_settled", job=str(end.id), error=str(error).strip())
                await asyncio.sleep(SETTLE_AGAIN_S)
        self._forget(end.id, end.attempt)
        if state is JobState.DEAD:
            log.error("job_dead", job=str(claim.id), name=claim.name, attempt=claim.attempt)
        else:
            log.debug("job_ended", job=str(claim.id), name=claim.name, state=state)
        return state

    def _lose(self, job: UUID, attempt: int) -> None:
        task = self._tasks.get(job)
        if task is not None and self._leases.held.get(job) == attempt:
            log.warning("job_lease_lost", job=str(job), name=task.get_name())
            self._forget(job, attempt)
            task.cancel()

    def _forget(self, job: UUID, attempt: int) -> None:
        if self._leases.held.get(job) == attempt:
            del self._leases.held[job]

    async def _claim_all(self, queues: Sequence[str]) -> list[Claim | None]:
        node, lease_s = self._runtime.node, self._tuning.lease_s
        async with self._runtime.db.connection() as db:
            claims = await working.claim(db, Counter(queues), node, lease_s)
        found: defaultdict[str, list[Claim]] = defaultdict(list)
        for claim in claims:
            found[claim.queue].append(claim)
        return [found[queue].pop() if found[queue] else None for queue in queues]

    async def _settle_all(self, ends: Sequence[End]) -> list[JobState | None]:
        base_s, most_s = self._tuning.retry_base_s, self._tuning.retry_most_s
        async with self._runtime.db.connection() as db:
            states, freed = await working.settle(
                db, self._runtime.node, ends, base_s=base_s, most_s=most_s
            )
        if freed.queued:
            await self._hint(freed.queued)
        await tell_ended(self._runtime, freed.cancelled)
        return [states.get(end.id) for end in ends]

    async def _hint(self, freed: Mapping[str, int]) -> None:
        """Jobs that waited for others need not wait for the relay too."""
        try:
            await send_hints(self._runtime.redis, self._runtime.settings.redis_prefix, freed)
        except (RedisError, OSError) as error:
            log.debug("hints_not_sent", error=repr(error))


def _json(result: msgspec.Struct | None) -> bytes | None:
    """What is too large is not kept: a job stores its work elsewhere."""
    if result is None:
        return None
    encoded = msgspec.json.encode(result)
    if len(encoded) > MAX_RESULT:
        return msgspec.json.encode({"too_large": len(encoded)})
    return encoded
