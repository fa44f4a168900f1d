"""Runs jobs: a lane for each queue, the work itself under a time-out, and an orderly end."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self
from uuid import UUID

import msgspec
import psycopg
import structlog
from redis.exceptions import RedisError

from domain.errors import Refused
from domain.text import NUL
from infra.eventstore.codec import UnknownTag
from infra.jobs import working
from infra.jobs.model import Claim, End, JobState
from infra.jobs.queues import Queue
from infra.jobs.working import Times
from infra.mail import Mailer
from infra.runtime import Runtime
from infra.tracing import Kind, followed, span
from workers.broker import send_hints
from workers.lane import Crew, Lane
from workers.leases import Leases
from workers.model import Context, Job
from workers.owners import Owners
from workers.progress import Progress

CANCEL_S = 0.5  # for jobs to end when cancelled: a talk with a dumb mail server would take longer
PATIENCE_S = 2.0  # with Redis
MAX_RESULT = 65_536  # bytes of JSON
WORD = re.compile(r"[^\w.]")  # what ends one

log = structlog.get_logger()


class Tuning(msgspec.Struct, frozen=True):
    times: Times = Times()
    stop_s: float = 8.0  # what runs may go on for so long when the worker is told to stop


class Runner:
    """The jobs that this process runs. `failed` gets the error that must end the process."""

    def __init__(
        self,
        runtime: Runtime,
        mail: Mailer,
        kinds: Sequence[Job[Any]],
        queues: Sequence[Queue],
        tuning: Tuning,
        owners: Owners,
    ) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._runtime, self._mail, self._tuning = runtime, mail, tuning
        self._kinds: Mapping[str, Job[Any]] = {kind.name: kind for kind in kinds}
        url, lease_s = runtime.settings.database_url, tuning.times.lease_s
        self._leases = Leases(url, runtime.node, lease_s, self._lose)
        crew = Crew(
            runtime,
            tuning.times,
            list(self._kinds),
            self._leases.held,
            self._attempt,
            self._freed,
            owners,
        )
        self.ended = crew.ended
        self._lanes = {queue.name: Lane(queue, crew) for queue in queues}
        self._bounds = {queue.name: queue.timeout_s for queue in queues}
        self._rates = {queue.name for queue in queues if queue.per_minute}
        self._hints: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._leases.__aenter__()
        self._tasks = [
            asyncio.create_task(lane.run(), name=f"lane {name}")
            for name, lane in self._lanes.items()
        ]
        self._tasks.append(asyncio.create_task(self._hint(), name="hints"))
        for task in self._tasks:
            task.add_done_callback(self._ended)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """What runs may end for a while; then it is cancelled, and given back."""
        lanes = self._lanes.values()
        for lane in lanes:
            lane.close()
        resting = asyncio.gather(*(lane.idle() for lane in lanes))
        try:
            await asyncio.wait_for(resting, self._tuning.stop_s)
        except TimeoutError:
            log.info("jobs_take_too_long")
        if tasks := [task for lane in lanes for task in lane.cancel()]:
            await asyncio.wait(tasks, timeout=CANCEL_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._release()
        await self._leases.__aexit__(kind, error, traceback)

    def wake(self, queue: str) -> None:
        """There is a job more in the queue."""
        self._lanes[queue].wake()

    def take(self, queue: str, jobs: int) -> int:
        """How many of so many new jobs this process has a place for, and goes to claim."""
        return self._lanes[queue].take(jobs) if queue in self._lanes else 0

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self.failed.done():
            self.failed.set_exception(error)

    async def _release(self) -> None:
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

    async def _attempt(self, claim: Claim, progress: Progress) -> End | None:
        """None: it could not be tried, and this process must stop."""
        trace = followed(claim.correlation_id, claim.span)
        with span(f"job {claim.name}", trace, Kind.CONSUMER) as open_:
            end = await self._try(claim, progress)
            open_.attributes = {"job": str(claim.id), "attempt": claim.attempt}
            if end is not None and end.error:  # what it says besides may be nobody's business
                open_.error = WORD.split(end.error, maxsplit=1)[0]
            return end

    async def _try(self, claim: Claim, progress: Progress) -> End | None:
        kind = self._kinds[claim.name]
        context = Context(
            self._runtime,
            self._mail,
            claim.id,
            claim.position,
            claim.correlation_id,
            claim.owner,
            progress,
        )
        try:
            args = msgspec.convert(claim.args, kind.args)
        except msgspec.ValidationError as error:
            return End(claim.id, claim.attempt, JobState.DEAD, f"unreadable arguments: {error}")
        timeout_s = self._bounds[claim.queue] or kind.timeout_s
        try:
            progress.begun()
            async with asyncio.timeout(timeout_s):
                result = _json(await kind.run(context, args))
        except Refused as refusal:
            error = f"{refusal.code} {msgspec.json.encode(refusal.detail).decode()}"
            return End(claim.id, claim.attempt, JobState.REFUSED, error)
        except UnknownTag as error:
            if not self.failed.done():
                self.failed.set_exception(error)
            return None
        except TimeoutError as error:
            text = str(error) or f"not done within {timeout_s:g} s"
            return End(claim.id, claim.attempt, error=f"TimeoutError: {text}", retry=True)
        except Exception as error:  # noqa: BLE001, the job's own: written down, and tried again
            log.warning(
                "job_failed", job=str(claim.id), name=claim.name, error=type(error).__name__
            )
            return End(claim.id, claim.attempt, error=repr(error), retry=True)
        return End(claim.id, claim.attempt, result=result)

    def _lose(self, job: UUID, attempt: int) -> None:
        for lane in self._lanes.values():
            lane.lose(job, attempt)

    def _freed(self, freed: Mapping[str, int]) -> None:
        """Jobs that waited for others need not wait for the relay too, save where it counts."""
        for queue, jobs in freed.items():
            if queue not in self._rates:
                self._hints[queue] += jobs - self.take(queue, jobs)
        if self._hints:
            self._news.set()

    async def _hint(self) -> NoReturn:
        """Beside the work: Redis may be slow, or away."""
        settings = self._runtime.settings
        while True:
            await self._news.wait()
            self._news.clear()
            hints, self._hints = self._hints, Counter[str]()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await send_hints(self._runtime.redis, settings.redis_prefix, hints)
            except (RedisError, OSError) as error:
                log.debug("hints_not_sent", error=repr(error))


def _json(result: msgspec.Struct | None) -> bytes | None:
    """What is too large is not kept: a job stores its work elsewhere."""
    if result is None:
        return None
    encoded = msgspec.json.encode(result)
    if len(encoded) > MAX_RESULT:
        return msgspec.json.encode({"too_large": len(encoded)})
    if NUL.search(encoded):
        return msgspec.json.encode({"unreadable": "text with U+0000, which Postgres cannot keep"})
    return encoded
