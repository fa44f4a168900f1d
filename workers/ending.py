"""Ends participations for those who did not, with what the audit keeps of how one moved."""

from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

import msgspec
import structlog

from domain.errors import Refused
from domain.motion_summary import MOTION_SUMMARY, SumMotion, summary_stream
from domain.participation import PARTICIPATION, Leave, LeaveReason
from infra.eventstore.execute import Do
from infra.eventstore.types import Conflict
from infra.readers import Reader
from infra.runtime import SYSTEM, Runtime
from projections.motion_sums import MotionSum, motion_sums
from workers.together import together

log = structlog.get_logger()


async def end(runtime: Runtime, gone: Sequence[Reader], reason: LeaveReason) -> None:
    sums = await motion_sums(runtime, [one.participation for one in gone])
    await together(gone, partial(_leave, runtime, sums, reason))


async def _leave(
    runtime: Runtime, sums: Mapping[UUID, MotionSum], reason: LeaveReason, gone: Reader
) -> None:
    moved = sums.get(gone.participation)
    try:
        await runtime.execute(
            SYSTEM,
            PARTICIPATION,
            gone.participation,
            Leave(reason=reason),
            *([_summary(gone, moved)] if moved else []),
            project=gone.project,
        )
    except (Refused, Conflict) as error:  # of this one; the others must not wait for it
        log.warning("member_not_reaped", stream=str(gone.participation), error=repr(error))


def _summary(gone: Reader, moved: MotionSum) -> Do:
    """Nothing where the gateway said it in time."""
    command = SumMotion(user=gone.user_id, room=gone.room, **msgspec.structs.asdict(moved))
    return Do(MOTION_SUMMARY, summary_stream(gone.participation), command)
