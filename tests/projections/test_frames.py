import msgspec

from domain.activity import ActivityRecorded
from domain.motion import Typing
from domain.task import CommentAdded, TaskStatus, TaskStatusChanged
from infra.bus import Kind
from projections.frames import Ev, Mo, ev_bytes, event_data, mo_bytes, public_type
from projections.model import Push
from tests.projections.samples import ANN, CONN, P1, T1, at, recorded

ROOM = f"project:{P1}"
DONE = TaskStatusChanged(status=TaskStatus.DONE, was=TaskStatus.TODO)


def test_a_durable_frame_has_its_place_its_author_and_its_subject() -> None:
    push = Push(ROOM, Kind.EVENT, recorded(DONE, T1, 7), DONE, type="task.status_changed")
    assert msgspec.json.decode(ev_bytes(push, 5, event_data(DONE))) == {
        "op": "ev",
        "room": ROOM,
        "pos": 7,
        "prev": 5,
        "type": "task.status_changed",
        "by": str(ANN),
        "at": "2030-01-01T12:00:07Z",
        "subject": str(T1),
        "data": {"status": "done", "was": "todo"},
    }


def test_what_the_system_did_has_no_author() -> None:
    push = Push(ROOM, Kind.EVENT, recorded(DONE, T1, 7, actor=None), DONE, type="x")
    assert "by" not in msgspec.json.decode(ev_bytes(push, 0, event_data(DONE)))


def test_a_durable_frame_reads_back_as_its_struct() -> None:
    push = Push(ROOM, Kind.EVENT, recorded(DONE, T1, 7), DONE, type="task.status_changed")
    frame = msgspec.json.decode(ev_bytes(push, 5, event_data(DONE)), type=Ev)
    assert (frame.room, frame.pos, frame.prev, frame.at) == (ROOM, 7, 5, at(7))
    assert msgspec.json.decode(frame.data, type=TaskStatusChanged) == DONE


def test_a_motion_frame_has_no_place_in_the_chain() -> None:
    typing = Typing(room=ROOM, where="title", on=True)
    push = Push(ROOM, Kind.MOTION, recorded(typing, CONN, 9), typing, type="motion.typing")
    frame = msgspec.json.decode(mo_bytes(push, event_data(typing)))
    assert frame == {
        "op": "mo",
        "room": ROOM,
        "pos": 9,
        "type": "motion.typing",
        "by": str(ANN),
        "participation": str(CONN),
        "data": {"room": ROOM, "where": "title", "on": True},
    }
    assert msgspec.json.decode(mo_bytes(push, event_data(typing)), type=Mo).pos == 9


def test_a_clients_own_json_goes_through_untouched() -> None:
    own = msgspec.Raw(b'{"x": 1.50, "y": [ ]}')
    event = ActivityRecorded(room=ROOM, kind="draw", data=own)
    push = Push(ROOM, Kind.EVENT, recorded(event, CONN, 3), event, type="activity.recorded")
    assert bytes(own) in ev_bytes(push, 0, event_data(event))


def test_a_type_is_public_without_the_version_of_its_payload() -> None:
    assert public_type(CommentAdded) == "task.comment_added"
