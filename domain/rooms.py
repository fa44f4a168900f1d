"""Rooms: where people see each other. A name is a kind and an id, or `ops`."""

from enum import StrEnum
from functools import lru_cache
from uuid import UUID

import msgspec

from domain.errors import Invalid


class RoomKind(StrEnum):
    PROJECT = "project"
    TASK = "task"
    DOCUMENT = "document"
    USER = "user"
    REPLAY = "replay"
    OPS = "ops"


class Room(msgspec.Struct, frozen=True):
    """A room's name in parts; only `ops` has no id."""

    kind: RoomKind
    id: UUID | None = None

    @staticmethod
    @lru_cache(maxsize=10_000)  # with every action a room is named that was named before
    def parse(name: str) -> "Room":
        """Raises Invalid for anything but a name in its canonical form."""
        kind, _, key = name.partition(":")
        try:
            room = Room(RoomKind(kind), UUID(key) if key else None)
        except ValueError as error:
            raise Invalid("room.bad_name", room=name[:80]) from error
        if (room.id is None) != (room.kind is RoomKind.OPS) or str(room) != name:
            raise Invalid("room.bad_name", room=name[:80])
        return room

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else str(self.kind)


OPS = str(Room(RoomKind.OPS))
