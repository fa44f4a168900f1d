"""What a job tells while it runs: how far it is, and lines for its log."""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf

import psycopg
import structlog

from infra.bus import user_room
from infra.db import Connection
from infra.jobs.model import Claim, JobState
from infra.jobs.working import note_line, note_progress
from infra.runtime import Runtime
from projections.frames import JOB_PROGRESS
from projections.telling import tell
from workers.owners import Owners, progress_of

EVERY_S = 0.5  # between two reports of a job
MAX_LINES = 200  # of an attempt

log = structlog.get_logger()


class Progress:
    """Of one attempt at a job. What cannot be written down must not fail the job."""

    def __init__(self, runtime: Runtime, claim: Claim) -> None:
        self._runtime, self._claim = runtime, claim
        self._told, self._at = 0.0, -inf
        self._lines = 0

    async def begun(self) -> None:
        """Who asked for the job hears of it."""
        if self._claim.asked:
            await self._tell()

    async def report(self, done: int, total: int) -> None:
        """`done` of `total`; as often as one likes."""
        now = asyncio.get_running_loop().time()
        if now - self._at < EVERY_S or not total:
            return
        told = self._told = min(done / total, 1.0)
        self._at = now
        await self._note(lambda db: note_progress(db, self._runtime.node, self._claim, told))
        await self._tell()

    async def log(self, line: str) -> None:
        """Kept with the job; beyond MAX_LINES nothing is."""
        if self._lines == MAX_LINES:
            return
        self._lines += 1
        last = " (and no more lines than these)" if self._lines == MAX_LINES else ""
        await self._note(lambda db: note_line(db, self._claim, line + last))

    def over(self, state: JobState, error: str | None, owners: Owners) -> None:
        """The attempt ended so; a job that is queued will be tried again.

        Who asked for the job hears of it in any case.
        """
        claim = self._claim
        if claim.owner is not None and (claim.asked or self._at > -inf):
            self._told = 1.0 if state is JobState.DONE else self._told
            owners.tell(claim.owner, progress_of(claim.id, claim.name, state, self._told, error))

    async def _note(self, write: Callable[[Connection], Awaitable[None]]) -> None:
        try:
            async with self._runtime.db.connection() as db:
                await write(db)
        except (psycopg.OperationalError, TimeoutError) as error:
            log.warning("progress_not_noted", job=str(self._claim.id), error=str(error).strip())

    async def _tell(self) -> None:
        claim = self._claim
        if claim.owner is not None:
            told = progress_of(claim.id, claim.name, JobState.RUNNING, self._told)
            await tell(self._runtime, user_room(claim.owner), JOB_PROGRESS, told)
