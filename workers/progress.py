"""What a job tells while it runs: how far it is, and lines for its log."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf

import psycopg
import structlog

from infra.db import Connection
from infra.jobs.model import Claim, JobState
from infra.jobs.working import note_line, note_progress
from infra.runtime import Runtime
from workers.owners import Owners, progress_of

EVERY_S = 0.5  # between two reports of a job
MAX_LINES = 200  # of an attempt

log = structlog.get_logger()


class Progress:
    """Of one attempt at a job. What cannot be written down must not fail the job."""

    def __init__(self, runtime: Runtime, claim: Claim, owners: Owners) -> None:
        self._runtime, self._claim, self._owners = runtime, claim, owners
        self._told, self._at = 0.0, -inf
        self._lines = 0

    def begun(self) -> None:
        """Who asked for the job hears of it."""
        if self._claim.asked:
            self._tell(JobState.RUNNING)

    async def report(self, done: int, total: int) -> None:
        """`done` of `total`; as often as one likes."""
        now = asyncio.get_running_loop().time()
        if now - self._at < EVERY_S or not total:
            return
        told = self._told = min(done / total, 1.0)
        self._at = now
        await self._note(lambda db: note_progress(db, self._runtime.node, self._claim, told))
        self._tell(JobState.RUNNING)

    async def log(self, line: str) -> None:
        """Kept with the job; beyond MAX_LINES nothing is."""
        if self._lines == MAX_LINES:
            return
        self._lines += 1
        last = " (and no more lines than these)" if self._lines == MAX_LINES else ""
        await self._note(lambda db: note_line(db, self._claim, line + last))

    def over(self, state: JobState, error: str | None) -> None:
        """The attempt ended so; a job that is queued will be tried again.

        Who asked for the job hears of it in any case.
        """
        if self._claim.asked or self._at > -inf:
            self._told = 1.0 if state is JobState.DONE else self._told
            self._tell(state, error)

    async def _note(self, write: Callable[[Connection], Awaitable[None]]) -> None:
        try:
            async with self._runtime.db.connection() as db:
                await write(db)
        except (psycopg.OperationalError, TimeoutError) as error:
            log.warning("progress_not_noted", job=str(self._claim.id), error=str(error).strip())

    def _tell(self, state: JobState, error: str | None = None) -> None:
        """All of it one way: what is told beside it would overtake, or come too late."""
        claim = self._claim
        if claim.owner is not None:
            told = progress_of(claim.id, claim.name, state, self._told, error)
            self._owners.tell(claim.owner, told)
