"""How jobs are asked for, in a request or on the command line."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from domain.errors import Invalid
from domain.job_args import AnyArgs
from domain.jobs import MAX_BATCH, MAX_NEEDS, MAX_PRIORITY, MAX_UNIQUE, PRIORITY, Wanted

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

    jobs: Annotated[Sequence[NewJob], Meta(min_length=1, max_length=MAX_BATCH)]
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
