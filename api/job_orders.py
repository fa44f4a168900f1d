"""What is asked of jobs and queues that are there: stored as an event, done by the job consumer."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED
from msgspec import Meta

from api.call import Call, steered
from api.job_rights import Accepted, accepted, require_cancel, require_retry
from domain.access import Action
from domain.job_args import QueueName
from domain.jobs import JOB, MAX_REASON, CancelJob, RetryJob
from domain.queue import (
    QUEUE,
    DiscardDead,
    PauseQueue,
    QueueCommand,
    ResumeQueue,
    RetryDead,
    queue_stream,
)
from infra.eventstore.execute import Outcome

Reason = Annotated[str, Meta(max_length=MAX_REASON, examples=["no longer wanted"])]


class Cancel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Reason = ""


class Pause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Reason


class Dead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`job`: only those of this name."""

    job: Annotated[str, Meta(max_length=MAX_REASON)] = ""


class Discard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`job`: only those of this name."""

    reason: Reason
    job: Annotated[str, Meta(max_length=MAX_REASON)] = ""


async def answer(call: Call, subject: UUID, outcome: Outcome) -> Response[Accepted]:
    return Response(
        await accepted(call.runtime, subject, outcome),
        status_code=HTTP_202_ACCEPTED,
        headers=steered(outcome),
    )


@post(
    "/{job:uuid}/cancel",
    opt={"action": Action.JOBS_CHANGE, "own": True},
    status_code=HTTP_202_ACCEPTED,
)
async def cancel(
    job: FromPath[UUID], data: JSONBody[Cancel], call: NamedDependency[Call]
) -> Response[Accepted]:
    """Call off a job, or by a batch's id all of it; also what runs or is dead, and needs them."""
    if not await call.repeated():
        await require_cancel(call.runtime, call.caller, job)
    return await answer(call, job, await call.execute(JOB, job, CancelJob(reason=data.reason)))


@post(
    "/{job:uuid}/retry",
    opt={"action": Action.JOBS_CHANGE, "own": True},
    status_code=HTTP_202_ACCEPTED,
)
async def retry(job: FromPath[UUID], call: NamedDependency[Call]) -> Response[Accepted]:
    """Try again what died, was refused or called off: a job, or by a batch's id those of it."""
    if not await call.repeated():
        await require_retry(call.runtime, call.caller, job)
    return await answer(call, job, await call.execute(JOB, job, RetryJob()))


@post(
    "/queues/{queue:str}/pause",
    opt={"action": Action.JOBS_MANAGE},
    status_code=HTTP_202_ACCEPTED,
)
async def pause(
    queue: FromPath[QueueName], data: JSONBody[Pause], call: NamedDependency[Call]
) -> Response[Accepted]:
    """Hand out no more of its jobs; those that run go on."""
    return await _order(call, queue, PauseQueue(queue=queue, reason=data.reason))


@post(
    "/queues/{queue:str}/resume",
    opt={"action": Action.JOBS_MANAGE},
    status_code=HTTP_202_ACCEPTED,
)
async def resume(queue: FromPath[QueueName], call: NamedDependency[Call]) -> Response[Accepted]:
    return await _order(call, queue, ResumeQueue(queue=queue))


@post(
    "/queues/{queue:str}/retry-dead",
    opt={"action": Action.JOBS_MANAGE},
    status_code=HTTP_202_ACCEPTED,
)
async def retry_dead(
    queue: FromPath[QueueName], data: JSONBody[Dead], call: NamedDependency[Call]
) -> Response[Accepted]:
    """Try all its dead jobs again, or those of a name."""
    return await _order(call, queue, RetryDead(queue=queue, job=data.job))


@post(
    "/queues/{queue:str}/discard-dead",
    opt={"action": Action.JOBS_MANAGE},
    status_code=HTTP_202_ACCEPTED,
)
async def discard_dead(
    queue: FromPath[QueueName], data: JSONBody[Discard], call: NamedDependency[Call]
) -> Response[Accepted]:
    """Call off all its dead jobs, or those of a name: nobody will try them again."""
    return await _order(call, queue, DiscardDead(queue=queue, reason=data.reason, job=data.job))


async def _order(call: Call, queue: QueueName, command: QueueCommand) -> Response[Accepted]:
    stream = queue_stream(queue)
    return await answer(call, stream, await call.execute(QUEUE, stream, command))
