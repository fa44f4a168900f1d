"""A socket in a room, as the room sees it."""

from typing import Protocol
from uuid import UUID

import msgspec

from api.realtime.locking import Granted
from api.realtime.ready import Frame


class Socket(Protocol):
    """What a room needs of a connection."""

    @property
    def paused(self) -> bool:
        """The peer reads too slowly: motion is dropped, durable frames wait in the ring."""
        ...

    def send(self, frame: bytes) -> None:
        """Queue ready frames; all of one loop turn leave in one write."""
        ...

    def rights_changed(self, concerned: UUID) -> None:
        """Look anew at what the person (their id) may do, or may do in a project (its id)."""
        ...

    def granted(self, granted: Granted) -> None:
        """A queue has come to this person, perhaps by this connection."""
        ...

    def reaped(self, participation: UUID) -> None:
        """Others were told that this participation is gone: come back under a new one."""
        ...


class Member(msgspec.Struct, eq=False):
    """A socket in a room. It gets durable frames above `after`."""

    socket: Socket
    participation: UUID
    audience: int
    after: int = -1  # -1: its snapshot is not read yet, frames are kept in `held`
    behind: bool = False  # paused or being fed from the ring
    unmoved: float | None = None  # since when motion is kept back, monotonic seconds
    held: list[Frame] = []
    seen: int = 0  # what it last told to have seen
