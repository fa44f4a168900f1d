"""Whoever asked for jobs hears how these end, beside the work: Redis may be slow, or away."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import NoReturn, Self
from uuid import UUID

import psycopg
import structlog

from infra.bus import user_room
from infra.jobs.model import JobState
from infra.jobs.reading import Ending, endings
from infra.runtime import Runtime
from infra.services import Service
from projections.frames import JOB_PROGRESS, JobProgress
from projections.telling import tell

MAX_TOLD = 200  # characters of an error
MOST = 10_000  # that wait to be told of; their rows say it as well
LAST_S = 1.0  # for what is left when the worker ends

log = structlog.get_logger()


class Owners:
    """What is told here goes out soon, in order, a few frames at once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._frames: list[tuple[UUID, JobProgress]] = []
        self._ended: list[UUID] = []
        self._lost = 0
        self._news = asyncio.Event()
        telling = Service(name="owners", run=self._run, essential=False)
        self._telling = runtime.services.running(telling)

    async def __aenter__(self) -> Self:
        await self._telling.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._telling.__aexit__(kind, error, traceback)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_S):
                await self._tell()

    def tell(self, owner: UUID, told: JobProgress) -> None:
        if self._room(1):
            self._frames.append((owner, told))

    def ended(self, jobs: Sequence[UUID]) -> None:
        """Jobs that no worker ended: they were called off, or lost for good."""
        if jobs and self._room(len(jobs)):
            self._ended += jobs

    def _room(self, more: int) -> bool:
        self._news.set()
        if len(self._frames) + len(self._ended) + more <= MOST:
            return True
        self._lost += more
        return False

    async def _run(self) -> NoReturn:
        while True:
            await self._news.wait()
            self._news.clear()
            await self._tell()

    async def _tell(self) -> None:
        frames, self._frames = self._frames, []
        ended, self._ended = self._ended, []
        if lost := self._lost:
            self._lost = 0
            log.warning("owners_not_told", jobs=lost)
        frames += [(one.owner, _told(one)) for one in await self._read(ended)]
        by_owner: defaultdict[UUID, list[JobProgress]] = defaultdict(list)
        for owner, frame in frames:
            by_owner[owner].append(frame)
        for owner, told in by_owner.items():
            await tell(self._runtime, user_room(owner), JOB_PROGRESS, *told)

    async def _read(self, jobs: Sequence[UUID]) -> Iterable[Ending]:
        if not jobs:
            return []
        try:
            async with self._runtime.db.connection() as db:
                return await endings(db, jobs)
        except (psycopg.OperationalError, TimeoutError) as error:
            log.warning("owners_not_told", jobs=len(jobs), error=str(error).strip())
            return []


def progress_of(
    job: UUID, name: str, state: JobState, progress: float, error: str | None = None
) -> JobProgress:
    return JobProgress(
        job=job,
        name=name,
        state=state,
        progress=round(progress, 3),
        error=error[:MAX_TOLD] if error else None,
    )


def _told(one: Ending) -> JobProgress:
    return progress_of(one.id, one.name, one.state, one.progress, one.error)
