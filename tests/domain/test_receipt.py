from uuid import UUID

from domain.receipt import RECEIPT, ReceiptMoved, See, receipt_stream
from tests.dsl import check, refused

ANN, BOB = UUID(int=1), UUID(int=2)
ROOM = f"project:{UUID(int=11)}"
AT_7 = ReceiptMoved(user=ANN, room=ROOM, pos=7)


def see(pos: int, room: str = ROOM) -> See:
    return See(user=ANN, room=room, pos=pos)


def test_a_receipt_only_rises() -> None:
    check(RECEIPT, given=[], when=see(7), then=[AT_7])
    check(RECEIPT, given=[AT_7], when=see(7), then=[])
    check(RECEIPT, given=[AT_7], when=see(6), then=[])
    check(RECEIPT, given=[AT_7], when=see(9), then=[ReceiptMoved(user=ANN, room=ROOM, pos=9)])


def test_there_is_nothing_to_see_at_the_beginning() -> None:
    check(RECEIPT, given=[], when=see(0), then=[])


def test_a_receipt_is_of_a_room() -> None:
    check(RECEIPT, given=[], when=see(7, "nowhere"), then=refused("room.bad_name"))


def test_each_person_has_one_for_each_room() -> None:
    streams = {receipt_stream(user, room) for user in (ANN, BOB) for room in (ROOM, "ops")}
    assert len(streams) == 4
