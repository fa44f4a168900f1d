"""/realtime/jobs/schedules: what runs by the clock, when it ran, when it will."""

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.status_codes import HTTP_202_ACCEPTED

from api.call import Call
from api.job_orders import answer
from api.job_rights import Accepted
from domain.access import Action
from domain.jobs import JOB
from domain.schedules import by_hand, named
from infra.jobs.schedules import ScheduleRow, schedules
from infra.runtime import Runtime


@get("/schedules", opt={"action": Action.JOBS_READ})
async def list_schedules(runtime: NamedDependency[Runtime]) -> list[ScheduleRow]:
    return await schedules(runtime)


@post(
    "/schedules/{name:str}/run", opt={"action": Action.JOBS_MANAGE}, status_code=HTTP_202_ACCEPTED
)
async def run(name: FromPath[str], call: NamedDependency[Call]) -> Response[Accepted]:
    """Now, as if a tick were due; the ticks to come stay as they are."""
    command = by_hand(named(name), call.runtime.now())
    job = call.new_id("job")
    return await answer(call, job, await call.execute(JOB, job, command))
