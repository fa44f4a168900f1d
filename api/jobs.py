"""/realtime/jobs: what workers have done, do and will do."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter

from api.auth import Caller
from api.job_asking import ask, ask_batch
from api.job_orders import cancel, discard_dead, pause, resume, retry, retry_dead
from api.job_rights import see, see_batch, whose
from api.paging import Cursor, Limit, Page, from_cursor, page
from api.reads import provide_jobs_db
from api.schedules import list_schedules, run
from domain.access import Action
from infra.db import Connection
from infra.jobs import reading as rows
from infra.jobs.batches import Batch
from infra.jobs.board import Board, QueueNow
from infra.jobs.model import JobState
from infra.jobs.reading import Filter, JobRow, Line

OWN = {"action": Action.JOBS_READ, "own": True}
DB = {"db": Provide(provide_jobs_db)}


@get("/", opt=OWN, dependencies=DB)
async def list_all(
    db: NamedDependency[Connection],
    caller: NamedDependency[Caller],
    queue: FromQuery[str | None] = None,
    name: FromQuery[str | None] = None,
    is_: Annotated[JobState | None, QueryParameter(name="state")] = None,
    batch: FromQuery[UUID | None] = None,
    owner: FromQuery[UUID | None] = None,
    q: Annotated[
        str, QueryParameter(max_length=200, description="part of the arguments, key or error")
    ] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[JobRow]:
    """Newest first; only those that one asked for oneself, unless one operates them."""
    which = Filter(
        queue=queue, name=name, state=is_, owner=whose(caller, owner), batch=batch, text=q
    )
    after = from_cursor(cursor, tuple[datetime, UUID])
    found = await rows.list_jobs(db, which, after=after, limit=limit + 1)
    return page(found, limit, lambda row: (row.made_at, row.id))


@get("/stats", opt={"action": Action.JOBS_READ})
async def get_stats(board: NamedDependency[Board]) -> list[QueueNow]:
    """How each queue does, at most a second ago."""
    return await board.queues()


@get("/{job:uuid}", opt=OWN, dependencies=DB)
async def get_one(
    job: FromPath[UUID], db: NamedDependency[Connection], caller: NamedDependency[Caller]
) -> JobRow:
    return await see(db, caller, job)


@get("/{job:uuid}/log", opt=OWN, dependencies=DB)
async def get_log(
    job: FromPath[UUID],
    db: NamedDependency[Connection],
    caller: NamedDependency[Caller],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Line]:
    """What the job said and how its attempts failed, oldest first."""
    await see(db, caller, job)
    found = await rows.lines(db, job, from_cursor(cursor, int) or 0, limit + 1)
    return page(found, limit, lambda line: line.id)


@get("/batches/{batch:uuid}", opt=OWN, dependencies=DB)
async def get_one_batch(
    batch: FromPath[UUID], db: NamedDependency[Connection], caller: NamedDependency[Caller]
) -> Batch:
    return await see_batch(db, caller, batch)


jobs = Router(
    "/realtime/jobs",
    route_handlers=[
        list_all,
        ask,
        get_stats,
        get_one,
        get_log,
        cancel,
        retry,
        ask_batch,
        get_one_batch,
        pause,
        resume,
        retry_dead,
        discard_dead,
        list_schedules,
        run,
    ],
    tags=["jobs"],
)
