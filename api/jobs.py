"""/jobs: what workers have done, do and will do."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from api.paging import Cursor, Limit, Page, from_cursor, page
from domain.access import Action
from domain.errors import NotFound
from domain.jobs import QueueName
from infra.jobs import reading as rows
from infra.jobs.model import JobState
from infra.jobs.reading import Filter, JobRow
from infra.jobs.stats import QueueStats, stats
from infra.runtime import Runtime


@get("/", opt={"action": Action.JOBS_READ})
async def list_all(
    runtime: NamedDependency[Runtime],
    queue: FromQuery[str | None] = None,
    name: FromQuery[str | None] = None,
    is_: Annotated[JobState | None, QueryParameter(name="state")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[JobRow]:
    """Newest first."""
    after = from_cursor(cursor, tuple[datetime, UUID])
    async with runtime.db.connection() as db:
        found = await rows.list_jobs(
            db, Filter(queue=queue, name=name, state=is_), after=after, limit=limit + 1
        )
    return page(found, limit, lambda row: (row.made_at, row.id))


@get("/stats", opt={"action": Action.JOBS_READ})
async def get_stats(runtime: NamedDependency[Runtime]) -> list[QueueStats]:
    """How each queue does."""
    async with runtime.db.connection() as db:
        return await stats(db, [name.value for name in QueueName])


@get("/{job:uuid}", opt={"action": Action.JOBS_READ})
async def get_one(job: FromPath[UUID], runtime: NamedDependency[Runtime]) -> JobRow:
    async with runtime.db.connection() as db:
        found = await rows.get_job(db, job)
    if found is None:
        raise NotFound("job.not_found", job=job)
    return found


jobs = Router("/jobs", route_handlers=[list_all, get_stats, get_one], tags=["operations"])
