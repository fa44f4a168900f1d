from uuid import UUID

import pytest

from domain.kernel import fold
from domain.participation import (
    PARTICIPATION,
    Join,
    Joined,
    Leave,
    LeaveReason,
    Left,
    Participation,
    ParticipationCommand,
    SetStatus,
    StatusSet,
)
from tests.dsl import check, refused

ANN, P1, CONN, NODE = UUID(int=1), UUID(int=11), UUID(int=41), UUID(int=51)
ROOM = f"project:{P1}"
JOINED = Joined(
    user=ANN, connection=CONN, room=ROOM, project=P1, node=NODE, device="phone", location="board"
)
LEFT = Left(user=ANN, room=ROOM, reason=LeaveReason.SAID)


def join(room: str = ROOM, *, device: str = "phone", location: str = "board") -> Join:
    return Join(
        user=ANN,
        connection=CONN,
        room=room,
        project=P1,
        node=NODE,
        device=device,
        location=location,
    )


def status_set(status: str, location: str | None = None) -> StatusSet:
    if location is None:
        return StatusSet(user=ANN, room=ROOM, status=status)
    return StatusSet(user=ANN, room=ROOM, status=status, location=location)


def test_a_room_is_joined_once() -> None:
    check(PARTICIPATION, given=[], when=join(device=" phone ", location=" board "), then=[JOINED])
    check(PARTICIPATION, given=[JOINED], when=join(), then=[])


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (join("kitchen:1"), "room.bad_name"),
        (join(device="x" * 61), "participation.bad_device"),
        (join(location="x" * 201), "participation.bad_location"),
    ],
)
def test_what_one_joins_with_is_bounded(command: Join, code: str) -> None:
    check(PARTICIPATION, given=[], when=command, then=refused(code))


def test_a_status_is_set_in_own_words() -> None:
    command = SetStatus(status=" at lunch ")
    check(PARTICIPATION, given=[JOINED], when=command, then=[status_set("at lunch")])


def test_a_place_is_set_with_a_status() -> None:
    command = SetStatus(status="online", location=" page 2 ")
    check(PARTICIPATION, given=[JOINED], when=command, then=[status_set("online", "page 2")])


@pytest.mark.parametrize(
    "command", [SetStatus(status="online"), SetStatus(status="online", location="board")]
)
def test_a_status_that_is_already_so_changes_nothing(command: SetStatus) -> None:
    check(PARTICIPATION, given=[JOINED], when=command, then=[])


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (SetStatus(status=" "), "participation.bad_status"),
        (SetStatus(status="x" * 61), "participation.bad_status"),
        (SetStatus(status="away", location="x" * 201), "participation.bad_location"),
    ],
)
def test_a_status_is_bounded(command: SetStatus, code: str) -> None:
    check(PARTICIPATION, given=[JOINED], when=command, then=refused(code))


def test_who_has_not_joined_has_no_status() -> None:
    command = SetStatus(status="away")
    check(PARTICIPATION, given=[], when=command, then=refused("participation.not_joined"))


def test_a_room_is_left_once() -> None:
    leave = Leave(reason=LeaveReason.SAID)
    check(PARTICIPATION, given=[JOINED], when=leave, then=[LEFT])
    check(PARTICIPATION, given=[JOINED, LEFT], when=leave, then=[])
    check(PARTICIPATION, given=[], when=leave, then=[])


@pytest.mark.parametrize("command", [join(), SetStatus(status="away")])
def test_an_ended_participation_never_resumes(command: ParticipationCommand) -> None:
    given = [JOINED, LEFT]
    check(PARTICIPATION, given=given, when=command, then=refused("participation.ended"))


def test_the_state_is_what_the_events_say() -> None:
    before = [JOINED, status_set("away", "page 2"), status_set("busy")]
    state = fold(PARTICIPATION, before)
    assert state == Participation(user=ANN, room=ROOM, status="busy", location="page 2")
    assert PARTICIPATION.evolve(state, LEFT).ended
