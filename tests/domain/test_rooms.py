from uuid import UUID

import pytest

from domain.errors import Invalid
from domain.rooms import Room, RoomKind

P1 = UUID(int=11)


@pytest.mark.parametrize("kind", sorted(set(RoomKind) - {RoomKind.OPS}))
def test_a_rooms_name_is_its_kind_and_id(kind: RoomKind) -> None:
    room = Room(kind, P1)
    assert str(room) == f"{kind.value}:{P1}"
    assert Room.parse(str(room)) == room


def test_the_operators_room_has_no_id() -> None:
    assert Room.parse("ops") == Room(RoomKind.OPS)
    assert str(Room(RoomKind.OPS)) == "ops"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "project",
        "project:",
        "project:1",
        "kitchen",
        f"kitchen:{P1}",
        f"ops:{P1}",
        "ops:",
        f"PROJECT:{P1}",
        f"project:{P1.hex}",
        f"project:{{{P1}}}",
        f"project:{str(UUID(int=0xABC)).upper()}",
        f" project:{P1}",
        f"project:{P1}:{P1}",
    ],
)
def test_a_name_that_is_not_canonical_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match=r"room\.bad_name"):
        Room.parse(name)
