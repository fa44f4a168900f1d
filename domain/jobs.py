"""Jobs that people and the scheduler ask for: when, after which others, and their cancelling.

What they may ask for is told by domain/job_args.py. Jobs that follow from other events need none
of this (see workers/model.py); an operator may cancel or retry either.
"""

from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID, uuid5

import msgspec

from domain.errors import Invalid, WrongState
from domain.job_args import FIRST_YEAR, LAST_YEAR, AnyArgs, check_args
from domain.kernel import Command, Decider, Event
from domain.text import NUL, checked

MAX_PRIORITY = 9  # 0 goes first
PRIORITY = 5
MAX_BATCH = 1_000  # jobs
MAX_NEEDS = 100  # jobs that one waits for
MAX_UNIQUE = 200  # characters
MAX_REASON = 500  # characters


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job to be. `run_at`: not before; `needs`: jobs that must be done before it.

    `unique`: none is made while one of its type with the same text, and asked for by the same
    person, is not over.
    """

    args: AnyArgs
    priority: int = PRIORITY
    run_at: datetime | None = None
    unique: str = ""
    needs: tuple[UUID, ...] = ()


# The aggregate


class JobRequested(Event, frozen=True, kw_only=True, tag="job.requested.v1"):
    wanted: Wanted


class BatchRequested(Event, frozen=True, kw_only=True, tag="job.batch_requested.v1"):
    """`then` runs when all the others are over, however they ended."""

    jobs: tuple[Wanted, ...]
    then: Wanted | None = None


class CancelAsked(Event, frozen=True, kw_only=True, tag="job.cancel_asked.v1"):
    reason: str = ""


class RetryAsked(Event, frozen=True, kw_only=True, tag="job.retry_asked.v1"):
    """Of a job that is dead, refused or cancelled."""


class RequestJob(Command, frozen=True, kw_only=True, tag="request_job"):
    wanted: Wanted


class RequestBatch(Command, frozen=True, kw_only=True, tag="request_batch"):
    jobs: tuple[Wanted, ...]
    then: Wanted | None = None


class CancelJob(Command, frozen=True, kw_only=True, tag="cancel_job"):
    reason: str = ""


class RetryJob(Command, frozen=True, kw_only=True, tag="retry_job"):
    pass


JobEvent: TypeAlias = JobRequested | BatchRequested | CancelAsked | RetryAsked
JobCommand: TypeAlias = RequestJob | RequestBatch | CancelJob | RetryJob


class Asked(msgspec.Struct, frozen=True):
    """How a job stands is its row's to know: only that it was asked for is remembered."""

    requested: bool = False


def member_id(batch: UUID, index: int) -> UUID:
    """The id of a batch's job, from 0; the job after them has the index -1."""
    return uuid5(batch, str(index))


def decide(command: JobCommand, asked: Asked) -> list[JobEvent]:
    match command:
        case RequestJob(wanted=wanted):
            _not_yet(asked)
            return [JobRequested(wanted=_checked(wanted))]
        case RequestBatch(jobs=jobs, then=then):
            _not_yet(asked)
            if not 0 < len(jobs) <= MAX_BATCH:
                raise Invalid("job.bad_batch", jobs=len(jobs), most=MAX_BATCH)
            after = None if then is None else _checked(then)
            return [BatchRequested(jobs=tuple(map(_checked, jobs)), then=after)]
        case CancelJob(reason=reason):
            return [CancelAsked(reason=checked(reason, "job.bad_reason", MAX_REASON, least=0))]
        case RetryJob():
            return [RetryAsked()]
        case _:
            assert_never(command)


def _not_yet(asked: Asked) -> None:
    if asked.requested:
        raise WrongState("job.exists")


def _checked(wanted: Wanted) -> Wanted:
    """Raises Invalid."""
    if not 0 <= wanted.priority <= MAX_PRIORITY:
        raise Invalid("job.bad_priority", priority=wanted.priority, most=MAX_PRIORITY)
    if len(wanted.needs) > MAX_NEEDS:
        raise Invalid("job.too_many_needs", needs=len(wanted.needs), most=MAX_NEEDS)
    if wanted.run_at is not None and wanted.run_at.tzinfo is None:
        raise Invalid("job.no_time_zone")
    if wanted.run_at is not None and not FIRST_YEAR <= wanted.run_at.year <= LAST_YEAR:
        raise Invalid("job.bad_run_at", first=FIRST_YEAR, last=LAST_YEAR)
    check_args(wanted.args)
    if NUL.search(msgspec.json.encode(wanted.args)):
        raise Invalid("text.has_nul")
    unique = checked(wanted.unique, "job.bad_unique", MAX_UNIQUE, least=0)
    needs = tuple(dict.fromkeys(wanted.needs))
    return msgspec.structs.replace(wanted, unique=unique, needs=needs)


def evolve(asked: Asked, event: JobEvent) -> Asked:
    match event:
        case JobRequested() | BatchRequested():
            return Asked(requested=True)
        case CancelAsked() | RetryAsked():
            return asked
        case _:
            assert_never(event)


JOB = Decider(
    name="job",
    initial=Asked(),
    decide=decide,
    evolve=evolve,
    events=(JobRequested, BatchRequested, CancelAsked, RetryAsked),
)
