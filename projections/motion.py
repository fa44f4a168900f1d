"""motion: cursors, typing and selections on their way to the room. Nothing is kept."""

from collections.abc import Sequence

from domain.kernel import Recorded
from domain.motion import CursorMoved, MotionFact, Selected, Typing
from infra.bus import Kind
from projections.frames import public_type
from projections.model import Projection, Push, Write


def project(batch: Sequence[Recorded[MotionFact]]) -> list[Write]:
    return [
        Push(
            recorded.event.room,
            Kind.MOTION,
            recorded,
            recorded.event,
            type=public_type(type(recorded.event)),
        )
        for recorded in batch
    ]


PROJECTION = Projection(
    name="motion",
    group="live",
    version=1,
    tables=(),
    events=(CursorMoved, Typing, Selected),
    project=project,
    motion=True,
)
