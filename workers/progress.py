"""How far a job is: written into its row, and told to its owner in the owner's room."""

import asyncio
from math import inf
from uuid import UUID

import msgspec
import psycopg
import structlog

from infra.bus import user_room
from infra.jobs import Claim, JobState, note_progress
from infra.runtime import Runtime
from projections.telling import tell

TYPE = "job.progress"
EVERY_S = 0.5  # between two reports of a job

log = structlog.get_logger()


class JobProgress(msgspec.Struct, frozen=True):
    """What the owner is told. `progress`: 0 to 1."""

    job: UUID
    name: str
    state: str
    progress: float


class Progress:
    """Of one attempt at a job. One that never reports is nothing its owner hears of."""

    def __init__(self, runtime: Runtime, claim: Claim) -> None:
        self._runtime, self._claim = runtime, claim
        self._told, self._at = 0.0, -inf

    async def report(self, done: int, total: int) -> None:
        """`done` of `total`; as often as one likes. A report that fails must not fail the job."""
        now = asyncio.get_running_loop().time()
        if now - self._at < EVERY_S or not total:
            return
        self._told, self._at = min(done / total, 1.0), now
        try:
            async with self._runtime.db.connection() as db:
                await note_progress(db, self._runtime.node, self._claim, self._told)
        except (psycopg.OperationalError, TimeoutError) as error:
            log.warning("progress_not_noted", job=str(self._claim.id), error=str(error).strip())
        await self._tell(JobState.RUNNING)

    async def over(self, state: JobState) -> None:
        """The attempt ended so; a job that is queued will be tried again."""
        if self._at > -inf:
            self._told = 1.0 if state is JobState.DONE else self._told
            await self._tell(state)

    async def _tell(self, state: JobState) -> None:
        claim = self._claim
        if claim.owner is not None:
            frame = JobProgress(claim.id, claim.name, state.value, round(self._told, 3))
            await tell(self._runtime, user_room(claim.owner), TYPE, frame)
