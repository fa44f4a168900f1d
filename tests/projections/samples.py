"""Recorded events for the read models' tests."""

from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from domain.kernel import Event, Metadata, Recorded

E = TypeVar("E", bound=Event)

ANN, BOB, CAT = UUID(int=1), UUID(int=2), UUID(int=3)
P1, P2 = UUID(int=11), UUID(int=12)
T1, T2 = UUID(int=21), UUID(int=22)
C1, C2 = UUID(int=31), UUID(int=32)
CONN, NODE = UUID(int=41), UUID(int=42)
START = datetime(2030, 1, 1, 12, tzinfo=UTC)


def at(position: int) -> datetime:
    """The time of a position: a second each."""
    return START + timedelta(seconds=position)


def recorded(
    event: E,
    stream: UUID,
    position: int,
    *,
    version: int = 1,
    actor: UUID | None = ANN,
    project: UUID | None = None,
) -> Recorded[E]:
    meta = Metadata(actor=actor, project_id=project)
    return Recorded(event, stream, version, position, at(position), meta)
