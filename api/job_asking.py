"""Asking for jobs: one, or many that belong together."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED
from msgspec import Meta

from api.auth import Open
from api.call import Call
from api.job_orders import answer
from api.job_rights import Accepted, require_asking
from domain.errors import Invalid
from domain.jobs import (
    JOB,
    MAX_BATCH,
    MAX_NEEDS,
    MAX_PRIORITY,
    MAX_UNIQUE,
    PRIORITY,
    AnyArgs,
    RequestBatch,
    RequestJob,
    Wanted,
)

MAX_DELAY_S = 366 * 86_400


class NewJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`args` says by its `type` what is to be done; `priority` 0 goes first.

    `run_at`: not before, or `delay_s` seconds from now. `unique`: none is made while one of its
    type with the same text is not over. `needs`: jobs that must be done before.
    """

    args: AnyArgs
    priority: Annotated[int, Meta(ge=0, le=MAX_PRIORITY)] = PRIORITY
    run_at: datetime | None = None
    delay_s: Annotated[float, Meta(ge=0, le=MAX_DELAY_S)] | None = None
    unique: Annotated[str, Meta(max_length=MAX_UNIQUE)] = ""
    needs: Annotated[tuple[UUID, ...], Meta(max_length=MAX_NEEDS)] = ()


class NewBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`then` runs when all the others are over, however they ended."""

    jobs: Annotated[tuple[NewJob, ...], Meta(min_length=1, max_length=MAX_BATCH)]
    then: NewJob | None = None


def wanted(new: NewJob, now: datetime) -> Wanted:
    """Raises Invalid."""
    run_at = new.run_at
    if new.delay_s is not None:
        if run_at is not None:
            raise Invalid("job.two_times")
        run_at = now + timedelta(seconds=new.delay_s)
    return Wanted(
        args=new.args, priority=new.priority, run_at=run_at, unique=new.unique, needs=new.needs
    )


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
