"""One queue in one process: claims as many jobs as may run, and writes down how they ended.

Both in one transaction: what ended while one was under way goes with the next, and frees the
places that it claims for. So a busy lane costs a commit for each wave of jobs, and none of Redis.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NoReturn
from uuid import UUID

import msgspec
import psycopg
import structlog

from infra.jobs.model import Claim, End, JobState
from infra.jobs.queues import Queue
from infra.jobs.working import Times, exchange
from infra.runtime import Runtime
from workers.owners import Owners
from workers.progress import Progress

UNWRITABLE = "how it ended could not be written"
AGAIN_S = 0.5  # until written: what was done must not be done again for Postgres was away

log = structlog.get_logger()

Attempt = Callable[[Claim, Progress], Coroutine[Any, Any, End | None]]


class Running(msgspec.Struct, frozen=True):
    claim: Claim
    progress: Progress
    task: asyncio.Task[End | None]


class Crew(msgspec.Struct, frozen=True):
    """What the lanes of a process share. `kinds`: the names of jobs that it knows.

    `attempt` answers how a job ended; None: it could not be tried, and is given back. `freed`
    hears how many jobs of which queues no longer wait for those that ended here. `ended` counts
    attempts by queue and the state that they left their job in.
    """

    runtime: Runtime
    times: Times
    kinds: Sequence[str]
    held: dict[UUID, int]
    attempt: Attempt
    freed: Callable[[Mapping[str, int]], None]
    owners: Owners
    ended: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter[tuple[str, str]])


class Lane:
    def __init__(self, queue: Queue, crew: Crew) -> None:
        self._queue, self._crew = queue, crew
        self._runtime, self._held = crew.runtime, crew.held
        self._running: dict[UUID, Running] = {}
        self._ended: list[tuple[Running, End]] = []
        self._alone = False  # one end at a time: of several one could not be written
        self._wishes = 0  # jobs that may be claimed: of a queue with a rate each hint is one
        self._writing = self._stopping = False
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def wake(self) -> None:
        """There is a job more than there was."""
        places = self._queue.concurrency
        self._wishes = min(self._wishes + 1, places) if self._queue.per_minute else places
        self._news.set()

    def take(self, jobs: int) -> int:
        """As wake; how many of so many new jobs have a place here."""
        taken = min(jobs, self._queue.concurrency - len(self._running))
        if taken > 0:
            self.wake()
        return max(taken, 0)

    async def run(self) -> NoReturn:
        while True:
            await self._news.wait()
            self._news.clear()
            cut = 1 if self._alone else len(self._ended)
            ended, self._ended = self._ended[:cut], self._ended[cut:]
            if self._ended:
                self._news.set()
            self._alone &= bool(self._ended)
            most = min(self._wishes, self._queue.concurrency - len(self._running))
            if ended or most > 0:
                await self._exchange(ended, max(most, 0))

    def close(self) -> None:
        """Claim no more."""
        self._queue = msgspec.structs.replace(self._queue, concurrency=0)

    async def idle(self) -> None:
        """Until nothing runs, and all that ended is written down."""
        await self._idle.wait()

    def cancel(self) -> list[asyncio.Task[End | None]]:
        """What still runs, as it is being cancelled, to be given back."""
        self._stopping = True
        tasks = [one.task for one in self._running.values()]
        for task in tasks:
            task.cancel()
        return tasks

    def lose(self, job: UUID, attempt: int) -> None:
        """The lease is somebody else's, or the job was cancelled."""
        one = self._running.get(job)
        if one is not None and one.claim.attempt == attempt:
            log.warning("job_lease_lost", job=str(job), name=one.claim.name)
            self._forget(one)
            one.task.cancel()

    async def _exchange(self, ended: list[tuple[Running, End]], most: int) -> None:
        self._wishes -= most
        self._writing = True
        self._idle.clear()
        try:
            async with self._runtime.db.connection() as db:
                done = await exchange(
                    db,
                    self._runtime.node,
                    [end for _, end in ended],
                    {self._queue.name: most},
                    self._crew.times,
                    self._crew.kinds,
                )
        except psycopg.Error as error:
            self._wishes += most
            await self._again(ended, error)
            return
        self._writing = False
        for one, _ in ended:
            self._forget(one)
        for claim in done.claims:
            self._start(claim)
        if most and len(done.claims) == most and not self._queue.per_minute:
            self.wake()  # for there may be more
        self._rest()
        for one, end in ended:
            self._tell(one, done.states.get(end.id), end.error)
        self._crew.owners.ended(done.freed.cancelled)
        self._crew.freed(done.freed.queued)

    async def _again(self, ended: list[tuple[Running, End]], error: psycopg.Error) -> None:
        """Nothing was written, and will be: an end that Postgres does not take is put in words.

        Raises the error where that does not help either.
        """
        log.warning("jobs_not_written", queue=self._queue.name, error=str(error).strip())
        away = isinstance(error, psycopg.OperationalError)
        if not away:
            match ended:
                case []:
                    raise error
                case [(one, end)]:
                    ended = [(one, _in_words(end, error))]
                case _:
                    self._alone = True
        self._ended = [*ended, *self._ended]
        self._writing = False
        self._rest()
        if away:
            await asyncio.sleep(AGAIN_S)
        self._news.set()

    def _start(self, claim: Claim) -> None:
        if (older := self._running.get(claim.id)) is not None:  # called off and retried at once
            self.lose(claim.id, older.claim.attempt)
        progress = Progress(self._runtime, claim, self._crew.owners)
        task = asyncio.create_task(self._crew.attempt(claim, progress), name=claim.name)
        one = Running(claim, progress, task)
        self._held[claim.id] = claim.attempt
        self._running[claim.id] = one
        self._idle.clear()
        task.add_done_callback(lambda task: self._over(one, task))

    def _over(self, one: Running, task: asyncio.Task[End | None]) -> None:
        """Its place is free; until its end is written down its lease is kept."""
        if self._running.get(one.claim.id) is one:
            del self._running[one.claim.id]
        end = self._end(one.claim, task)
        if end is not None and self._held.get(one.claim.id) == one.claim.attempt:
            self._ended.append((one, end))
            self._news.set()
        self._rest()

    def _end(self, claim: Claim, task: asyncio.Task[End | None]) -> End | None:
        """What escapes an attempt is a failure like any other."""
        if task.cancelled():
            error = None if self._stopping else "it cancelled itself"
        elif (escaped := task.exception()) is not None:
            error = repr(escaped)
        else:
            return task.result()
        return None if error is None else End(claim.id, claim.attempt, error=error, retry=True)

    def _forget(self, one: Running) -> None:
        if self._held.get(one.claim.id) == one.claim.attempt:
            del self._held[one.claim.id]

    def _rest(self) -> None:
        if not self._running and not self._ended and not self._writing:
            self._idle.set()

    def _tell(self, one: Running, state: JobState | None, error: str | None) -> None:
        """None: it was no longer held, and how it ends is another's to tell."""
        claim = one.claim
        if state is None:
            return
        self._crew.ended[claim.queue, state.value] += 1
        if state is JobState.DEAD:
            log.error("job_dead", job=str(claim.id), name=claim.name, attempt=claim.attempt)
        else:
            log.debug("job_ended", job=str(claim.id), name=claim.name, state=state)
        one.progress.over(state, error)


def _in_words(end: End, error: psycopg.Error) -> End:
    """Raises the error where these are such words already."""
    if (end.error or "").startswith(UNWRITABLE):
        raise error
    return End(end.id, end.attempt, JobState.DEAD, f"{UNWRITABLE}: {error.sqlstate} {error}")
