"""/realtime/benchmark: how fast the machine of this installation is, measured when asked."""

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED

from api.call import Call
from api.job_orders import answer
from api.job_rights import Accepted
from api.paging import Cursor, Limit, Page, from_cursor, page
from api.reads import provide_jobs_db
from domain.access import Action
from domain.benchmark import BenchmarkResult, BenchmarkSuite
from domain.errors import NotFound, WrongState
from domain.job_args import RunBenchmark
from domain.jobs import JOB, RequestJob, Wanted
from infra.db import Connection
from infra.jobs.model import JobState
from infra.jobs.reading import Filter, JobRow, get_job, list_jobs

NAME = "run_benchmark"
GOING = (JobState.QUEUED, JobState.BLOCKED, JobState.RUNNING)
DB = {"db": Provide(provide_jobs_db)}


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`guard`: a few ratios that can be compared, in minutes; of the others a quick look."""

    suite: BenchmarkSuite = BenchmarkSuite.GUARD


class Benchmark(msgspec.Struct, frozen=True):
    """One that was asked for. `progress`: 0 to 1, guessed by how long it took before."""

    id: UUID
    suite: str
    state: str
    made_at: datetime
    finished_at: datetime | None
    progress: float | None
    error: str | None


@post("/run", opt={"action": Action.BENCHMARK_RUN}, status_code=HTTP_202_ACCEPTED)
async def run(data: JSONBody[Run], call: NamedDependency[Call]) -> Response[Accepted]:
    """Start a benchmark, on servers of its own, as a job; one at a time."""
    if not await call.repeated():
        async with call.runtime.db.connection() as db:
            await _require_none(db)
    job = call.new_id("benchmark")
    wanted = Wanted(args=RunBenchmark(suite=data.suite), unique=NAME)
    return await answer(call, job, await call.execute(JOB, job, RequestJob(wanted=wanted)))


async def _require_none(db: Connection) -> None:
    for state in GOING:
        if found := await list_jobs(db, Filter(name=NAME, state=state), limit=1):
            raise WrongState("benchmark.running", job=found[0].id)


@get("/results", opt={"action": Action.BENCHMARK_READ}, dependencies=DB)
async def list_all(
    db: NamedDependency[Connection], limit: Limit = 50, cursor: Cursor = None
) -> Page[Benchmark]:
    """Newest first, with those that go on and those that came to nothing."""
    after = from_cursor(cursor, tuple[datetime, UUID])
    found = await list_jobs(db, Filter(name=NAME), after=after, limit=limit + 1)
    return page([_shown(row) for row in found], limit, lambda one: (one.made_at, one.id))


@get("/results/{benchmark:uuid}", opt={"action": Action.BENCHMARK_READ}, dependencies=DB)
async def get_one(benchmark: FromPath[UUID], db: NamedDependency[Connection]) -> BenchmarkResult:
    """What it measured, once it is done."""
    row = await get_job(db, benchmark)
    if row is None or row.name != NAME:
        raise NotFound("benchmark.not_found", benchmark=benchmark)
    if row.state != JobState.DONE:
        raise WrongState("benchmark.not_done", state=row.state, error=row.error or "")
    return msgspec.convert(row.result, BenchmarkResult)


def _shown(row: JobRow) -> Benchmark:
    return Benchmark(
        row.id,
        msgspec.convert(row.args, RunBenchmark).suite.value,
        row.state,
        row.made_at,
        row.finished_at,
        row.progress,
        row.error,
    )


benchmarks = Router(
    "/realtime/benchmark", route_handlers=[run, list_all, get_one], tags=["operations"]
)
