"""Which jobs somebody may see, ask for and change, and what makes sense with one as it stands.

The same over REST and on the command line, where nobody (None) is who holds the database's
password, and may do all.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from api.rights import Caller, require
from domain.access import Action, allowed
from domain.errors import Invalid, NotFound, WrongState
from domain.job_args import ASKING, person_of, project_of
from domain.jobs import BatchRequested, JobRequested, Wanted
from infra.db import Connection
from infra.eventstore.execute import Outcome
from infra.eventstore.reader import checkpoint, reached
from infra.jobs.batches import Batch, get_batch
from infra.jobs.model import CONSUMER, OVER, JobState
from infra.jobs.reading import JobRow, Standing, get_job, missing, standing
from infra.runtime import Runtime

APPLIED_S = 2.0  # an answer waits so long for the job consumer

RETRIED = (JobState.DEAD, JobState.REFUSED, JobState.CANCELLED)


class Accepted(msgspec.Struct, frozen=True):
    """`applied`: the job consumer has done it; else it will, in the order of the log."""

    id: UUID
    position: int | None  # null: there was nothing to do
    applied: bool


def may(caller: Caller | None, action: Action, asker: UUID | None) -> bool:
    """Whether it may be done to what `asker` asked for; None: an event or a schedule did."""
    if caller is None:
        return True
    return allowed(action, caller.who, oneself=asker is not None and asker == caller.id)


def whose(caller: Caller | None, wanted: UUID | None = None) -> UUID | None:
    """Whose jobs are listed: anybody's (None) only for those who may see all."""
    return wanted if caller is None or caller.may(Action.JOBS_READ) else caller.id


async def see(db: Connection, caller: Caller | None, job: UUID) -> JobRow:
    """Raises NotFound, also for one that is not the caller's: whether it exists is not told."""
    found = await get_job(db, job)
    if found is None or not may(caller, Action.JOBS_READ, found.owner if found.asked else None):
        raise NotFound("job.not_found", job=job)
    return found


async def see_batch(db: Connection, caller: Caller | None, batch: UUID) -> Batch:
    """Raises NotFound."""
    found = await get_batch(db, batch)
    if found is None or not may(caller, Action.JOBS_READ, found.owner):
        raise NotFound("batch.not_found", batch=batch)
    return found


async def require_asking(runtime: Runtime, caller: Caller | None, wanted: Sequence[Wanted]) -> None:
    """Return if all of these may be asked for, else raise NotAllowed, NotFound or Invalid."""
    if caller is not None:
        about = {
            (ASKING[type(one.args)], project_of(one.args), person_of(one.args)) for one in wanted
        }
        for action, project, person in about:
            await require(runtime, caller, action, project=project, user=person)
    needs = list(dict.fromkeys(need for one in wanted for need in one.needs))
    if needs and (lacking := await _lacking(runtime, caller, needs)):
        raise Invalid("job.unknown_needs", jobs=", ".join(map(str, lacking)))


async def _lacking(runtime: Runtime, caller: Caller | None, needs: list[UUID]) -> list[UUID]:
    """What was asked for a moment ago may have no row yet."""
    owner = whose(caller)
    async with runtime.db.connection() as db:
        lacking = await missing(db, needs, owner)
    if lacking and await reached(runtime.db, CONSUMER, await runtime.store.head(), APPLIED_S):
        async with runtime.db.connection() as db:
            lacking = await missing(db, lacking, owner)
    return lacking


async def require_cancel(runtime: Runtime, caller: Caller | None, job: UUID) -> None:
    """A job, or a batch of which some are not over, or dead. Raises NotFound, WrongState."""
    states = await _states(runtime, caller, job)
    if all(state in OVER and state is not JobState.DEAD for state in states):
        raise WrongState("job.over", job=job, state=", ".join(sorted(set(states))))


async def require_retry(runtime: Runtime, caller: Caller | None, job: UUID) -> None:
    """A job, or a batch of which some came to nothing. Raises NotFound, WrongState."""
    states = await _states(runtime, caller, job)
    if not any(state in RETRIED for state in states):
        done = all(state is JobState.DONE for state in states)
        code = "job.done" if done else "job.not_over"
        raise WrongState(code, job=job, state=", ".join(sorted(set(states))))
    if caller is not None and not caller.may(Action.JOBS_CHANGE):
        await require_asking(runtime, caller, await _requested(runtime, job))


async def _requested(runtime: Runtime, job: UUID) -> list[Wanted]:
    """What was asked for, with a whole batch: who retries it asks for it again."""
    async with runtime.db.connection() as db:
        row = await get_job(db, job)
    stream = job if row is None or row.batch is None else row.batch
    made = await runtime.store.read_stream(stream, 0, 1)
    match made[0].event if made else None:
        case JobRequested(wanted=wanted):
            found = [wanted]
        case BatchRequested(jobs=jobs, then=then):
            found = [*jobs, *([] if then is None else [then])]
        case _:
            raise NotFound("job.not_found", job=job)
    return [msgspec.structs.replace(one, needs=()) for one in found]


async def _states(runtime: Runtime, caller: Caller | None, job: UUID) -> list[JobState]:
    """How it stands, or how each of the batch does; what has no row yet waits for one."""
    found = await _standing(runtime, job)
    if not found:
        if await _coming(runtime, caller, job):
            return [JobState.QUEUED]
        found = await _standing(runtime, job)  # it may have come in between
    if not found or not all(may(caller, Action.JOBS_CHANGE, one.asker) for one in found):
        raise NotFound("job.not_found", job=job)
    return [JobState(one.state) for one in found]


async def _standing(runtime: Runtime, job: UUID) -> list[Standing]:
    async with runtime.db.connection() as db:
        return await standing(db, job)


async def _coming(runtime: Runtime, caller: Caller | None, job: UUID) -> bool:
    """The request is in the log, and the job consumer has not come so far."""
    made = await runtime.store.read_stream(job, 0, 1)
    if not made or not isinstance(made[0].event, JobRequested | BatchRequested):
        return False
    mine = may(caller, Action.JOBS_CHANGE, made[0].meta.actor)
    return mine and await checkpoint(runtime.db, CONSUMER) < made[0].position


async def accepted(runtime: Runtime, subject: UUID, outcome: Outcome) -> Accepted:
    """Once it is applied, or after a while."""
    at = outcome.position
    applied = at is None or await reached(runtime.db, CONSUMER, at, APPLIED_S)
    return Accepted(subject, at, applied)
