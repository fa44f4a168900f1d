"""Asking for jobs: one, or many that belong together."""

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED

from api.auth import Open
from api.call import Call
from api.job_forms import NewBatch, NewJob, wanted
from api.job_orders import answer
from api.job_rights import Accepted, require_asking
from domain.errors import Invalid
from domain.jobs import JOB, RequestBatch, RequestJob


@post("/", opt={"action": Open.SIGNED_IN}, status_code=HTTP_202_ACCEPTED)
async def ask(data: JSONBody[NewJob], call: NamedDependency[Call]) -> Response[Accepted]:
    """Ask for a job. Who may depends on its type, and on the project that it is about."""
    one = wanted(data, call.runtime.now())
    if not await call.repeated():
        await require_asking(call.runtime, call.caller, [one])
    job = call.new_id("job")
    return await answer(call, job, await call.execute(JOB, job, RequestJob(wanted=one)))


@post("/batches", opt={"action": Open.SIGNED_IN}, status_code=HTTP_202_ACCEPTED)
async def ask_batch(data: JSONBody[NewBatch], call: NamedDependency[Call]) -> Response[Accepted]:
    """Ask for up to 1,000 jobs at once, and perhaps one after them."""
    now = call.runtime.now()
    jobs = tuple(wanted(one, now) for one in data.jobs)
    then = None if data.then is None else wanted(data.then, now)
    if then is not None and then.needs:
        raise Invalid("job.then_has_needs")
    if not await call.repeated():
        await require_asking(call.runtime, call.caller, [*jobs, *([then] if then else [])])
    batch = call.new_id("batch")
    command = RequestBatch(jobs=jobs, then=then)
    return await answer(call, batch, await call.execute(JOB, batch, command))
