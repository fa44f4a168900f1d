"""Runs jobs: claims the row, works under a lease and a time-out, writes down how it ended."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import structlog

from domain.errors import Refused
from infra import jobs
from infra.eventstore.codec import UnknownTag
from infra.jobs import Claim, End, JobState
from infra.mail import Mailer
from infra.runtime import Runtime
from workers.batching import Batcher
from workers.model import Context, Job
from workers.progress import Progress

SETTLE_AGAIN_S = 0.5
CANCEL_S = 0.5  # for jobs to end when cancelled: a talk with a dumb mail server would take longer

log = structlog.get_logger()


class Tuning(msgspec.Struct, frozen=True):
    """The times of job handling, in seconds."""

    lease_s: float = 10.0  # a worker silent for longer is lost; renewed three times within
    retry_base_s: float = 15.0  # bound of the first retry's delay; it doubles with each attempt
    retry_most_s: float = 600.0
    stop_s: float = 8.0  # what runs may go on for so long when the worker is told to stop
    hint_again_s: float = 5.0  # a job still waiting after so long is hinted once more


class Runner:
    """The jobs that this process runs. `failed` gets the error that must end the process."""

    def __init__(
        self, runtime: Runtime, mail: Mailer, kinds: Sequence[Job[Any]], tuning: Tuning
    ) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._runtime = runtime
        self._mail = mail
        self._kinds = {kind.name: kind for kind in kinds}
        self._tuning = tuning
        self._held: dict[UUID, int] = {}  # attempts by job
        self._tasks: dict[UUID, asyncio.Task[End | None]] = {}
        self._claim = Batcher(self._claim_all)
        self._settle = Batcher(self._settle_all)

    async def run(self, job: str) -> None:
        """Follow a hint. A job that is over, or somebody else's, is nothing to do."""
        try:
            claim = await self._claim(UUID(job))
        except (psycopg.OperationalError, ValueError) as error:
            log.warning("hint_dropped", job=job, error=str(error).strip())
            return
        if claim is None:
            return
        progress = Progress(self._runtime, claim)
        task = asyncio.create_task(self._attempt(claim, progress), name=claim.name)
        self._held[claim.id], self._tasks[claim.id] = claim.attempt, task
        await asyncio.wait({task})
        self._tasks.pop(claim.id, None)
        end = None if task.cancelled() else task.result()
        if end is not None:
            state = await self._write_down(claim, end)
            if state is not None:
                await progress.over(state)

    async def beat(self) -> None:
        """Renew the leases until cancelled; a job whose lease was lost is cancelled."""
        while True:
            await asyncio.sleep(self._tuning.lease_s / 3)
            held = dict(self._held)
            try:
                kept = await self._renew(held) if held else set[UUID]()
            except psycopg.OperationalError as error:
                log.warning("leases_not_renewed", jobs=len(held), error=str(error).strip())
                continue
            for job in held.keys() - kept:
                self._lose(job, held[job])

    async def stop(self) -> None:
        """Cancel what still runs, and give it back."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_S)
        held, self._held = self._held, {}
        if not held:
            return
        log.info("jobs_released", jobs=len(held))
        try:
            async with self._runtime.db.connection() as db:
                await jobs.release(db, self._runtime.node, held)
        except psycopg.OperationalError as error:
            log.warning("jobs_not_released", jobs=len(held), error=str(error).strip())

    async def _attempt(self, claim: Claim, progress: Progress) -> End | None:
        """None: it could not be tried, and this process must stop."""
        kind = self._kinds[claim.name]
        context = Context(
            self._runtime, self._mail, claim.id, claim.position, claim.correlation_id, progress
        )
        try:
            args = msgspec.convert(claim.args, kind.args)
        except msgspec.ValidationError as error:
            return End(claim.id, claim.attempt, JobState.DEAD, f"unreadable arguments: {error}")
        try:
            async with asyncio.timeout(kind.timeout_s):
                await kind.run(context, args)
        except Refused as refusal:
            error = f"{refusal.code} {msgspec.json.encode(refusal.detail).decode()}"
            return End(claim.id, claim.attempt, JobState.REFUSED, error)
        except UnknownTag as error:
            if not self.failed.done():
                self.failed.set_exception(error)
            return None
        except Exception as error:  # noqa: BLE001, the job's own: written down, and tried again
            log.warning(
                "job_failed", job=str(claim.id), name=claim.name, error=type(error).__name__
            )
            return End(claim.id, claim.attempt, error=repr(error), retry=True)
        return End(claim.id, claim.attempt)

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
        if task is not None and self._held.get(job) == attempt:
            log.warning("job_lease_lost", job=str(job), name=task.get_name())
            self._forget(job, attempt)
            task.cancel()

    def _forget(self, job: UUID, attempt: int) -> None:
        if self._held.get(job) == attempt:
            del self._held[job]

    async def _claim_all(self, ids: Sequence[UUID]) -> list[Claim | None]:
        node, lease_s = self._runtime.node, self._tuning.lease_s
        async with self._runtime.db.connection() as db:
            claims = {one.id: one for one in await jobs.claim(db, ids, node, lease_s)}
        return [claims.pop(id_, None) for id_ in ids]  # two hints of one job: one of them runs it

    async def _settle_all(self, ends: Sequence[End]) -> list[JobState | None]:
        base_s, most_s = self._tuning.retry_base_s, self._tuning.retry_most_s
        async with self._runtime.db.connection() as db:
            states = await jobs.settle(db, self._runtime.node, ends, base_s=base_s, most_s=most_s)
        return [states.get(end.id) for end in ends]

    async def _renew(self, held: dict[UUID, int]) -> set[UUID]:
        async with self._runtime.db.connection() as db:
            return await jobs.renew_leases(db, self._runtime.node, held, self._tuning.lease_s)
