"""members, locks, rooms and motion: what rooms are told."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
import pytest

from domain.activity import ActivityRecorded
from domain.entry import UserSignedOut
from domain.kernel import Event, Recorded
from domain.lock import (
    LockAcquired,
    LockEvent,
    LockExpired,
    LockGranted,
    LockQueued,
    LockReleased,
    LockRenewed,
    LockStolen,
    LockUnqueued,
)
from domain.motion import CursorMoved, Typing
from domain.notification import NotificationSent
from domain.participation import Joined, LeaveReason, Left, ParticipationEvent, StatusSet
from domain.project import (
    MemberRemoved,
    MemberRoleChanged,
    ProjectRole,
    ProjectStatus,
    ProjectStatusChanged,
)
from domain.registry import EVENTS
from domain.task import CommentAdded, TaskStatus, TaskStatusChanged
from domain.user import Role, UserDeactivated, UserRoleChanged
from infra.bus import Kind
from projections import locks, members, motion, rooms
from projections.members import MEMBERS, Member
from projections.model import Delete, Push, Row, Upsert, Write
from tests.projections.samples import ANN, BOB, C1, CONN, NODE, P1, T1, at, recorded

ROOM = f"project:{P1}"
S1, S2 = UUID(int=51), UUID(int=52)

JOINED = Joined(user=ANN, connection=CONN, room=ROOM, project=P1, node=NODE, location="board")
LEFT = Left(user=ANN, room=ROOM, reason=LeaveReason.DROPPED)
MEMBER_ROW: Row = {
    "participation": S1,
    "room": ROOM,
    "user_id": ANN,
    "connection": CONN,
    "node": NODE,
    "project": P1,
    "device": "",
    "location": "board",
    "status": "online",
    "joined_at": at(1),
    "pos": 1,
}
GRANTED = LockAcquired(
    project=P1, resource="field:title", holder=ANN, participation=S1, ttl_ms=30_000, expires=at(31)
)
STOLEN = LockStolen(
    project=P1,
    resource="field:title",
    was=ANN,
    holder=BOB,
    participation=S2,
    reason="away",
    ttl_ms=30_000,
    expires=at(62),
)
RENEWED = LockRenewed(resource="field:title", expires=at(50))
RELEASED = LockReleased(resource="field:title", by=ANN)
EXPIRED = LockExpired(resource="field:title", holder=ANN)
QUEUED = LockQueued(project=P1, resource="field:title", waiter=BOB, participation=S2, ttl_ms=30_000)
UNQUEUED = LockUnqueued(resource="field:title", waiter=BOB, participation=S2, reason="left")
HANDED = LockGranted(
    project=P1,
    resource="field:title",
    holder=BOB,
    participation=S2,
    token=4,
    ttl_ms=30_000,
    expires=at(33),
)
WAITER_ROW: Row = {
    "stream": C1,
    "participation": S2,
    "waiter": BOB,
    "place": 2,
    "since": at(2),
}
GRANTED_ROW: Row = {
    "stream": C1,
    "project": P1,
    "resource": "field:title",
    "holder": ANN,
    "participation": S1,
    "token": 1,
    "expires_at": at(31),
    "keep": False,
    "acquired_at": at(1),
}


def pushed(writes: Sequence[Write]) -> list[tuple[str, Kind, str]]:
    return [(one.room, one.kind, one.type) for one in writes if isinstance(one, Push)]


def members_written(batch: Sequence[Recorded[ParticipationEvent]]) -> list[Write]:
    """But for when the person was last seen."""
    return [
        one
        for one in members.project(batch)
        if not (isinstance(one, Upsert) and one.table is members.LAST_SEEN)
    ]


def test_who_was_there_last_is_noted_by_position() -> None:
    batch = [recorded(JOINED, S1, 1), recorded(LEFT, S1, 2)]
    [seen] = [one for one in members.project(batch) if isinstance(one, Upsert)]
    assert (seen.table, seen.newest) == (members.LAST_SEEN, "pos")
    assert seen.rows == [{"user_id": ANN, "at": batch[1].at, "pos": 2}]


def test_who_joins_has_a_row_and_the_room_hears_of_it() -> None:
    batch = [recorded(JOINED, S1, 1)]
    shown = Member(
        participation=S1, user=ANN, connection=CONN, status="online", location="board", device=""
    )
    assert members_written(batch) == [
        Upsert(MEMBERS, [MEMBER_ROW]),
        Push(ROOM, Kind.JOIN, batch[0], shown),
    ]


def test_a_status_changes_only_what_it_names() -> None:
    batch = [recorded(StatusSet(user=ANN, room=ROOM, status="busy"), S1, 2)]
    assert members_written(batch) == [
        Upsert(MEMBERS, [{"participation": S1, "status": "busy", "pos": 2}]),
        Push(ROOM, Kind.UPDATE, batch[0], Member(participation=S1, user=ANN, status="busy")),
    ]


def test_an_update_tells_what_changed_even_if_it_was_emptied() -> None:
    event = StatusSet(user=ANN, room=ROOM, status="online", location="")
    (push,) = [one for one in members.project([recorded(event, S1, 2)]) if isinstance(one, Push)]
    assert msgspec.json.decode(msgspec.json.encode(push.data)) == {
        "participation": str(S1),
        "user": str(ANN),
        "status": "online",
        "location": "",
    }


def test_a_status_in_the_same_batch_goes_into_the_joined_row() -> None:
    status = StatusSet(user=ANN, room=ROOM, status="away", location="x")
    batch = [recorded(JOINED, S1, 1), recorded(status, S1, 2)]
    row: Row = {**MEMBER_ROW, "status": "away", "location": "x", "pos": 2}
    writes = members.project(batch)
    assert writes[0] == Upsert(MEMBERS, [row])
    assert [kind for _, kind, _ in pushed(writes)] == [Kind.JOIN, Kind.UPDATE]


def test_who_leaves_has_no_row_and_the_room_hears_why() -> None:
    batch = [recorded(LEFT, S1, 2, actor=None)]
    gone = Member(participation=S1, user=ANN, reason=LeaveReason.DROPPED)
    assert members_written(batch) == [
        Delete(MEMBERS, [(S1,)]),
        Push(ROOM, Kind.LEAVE, batch[0], gone),
    ]


def test_who_came_and_left_in_one_batch_leaves_no_row() -> None:
    batch = [recorded(JOINED, S1, 1), recorded(LEFT, S1, 2)]
    writes = members_written(batch)
    assert [one for one in writes if not isinstance(one, Push)] == [Delete(MEMBERS, [(S1,)])]


def test_a_grants_token_is_its_version() -> None:
    assert locks.project([recorded(GRANTED, C1, 1)]) == [Upsert(locks.LOCKS, [GRANTED_ROW])]
    assert locks.project([recorded(GRANTED, C1, 1, version=4)]) == [
        Upsert(locks.LOCKS, [{**GRANTED_ROW, "token": 4}])
    ]


def test_a_renewal_moves_only_the_end() -> None:
    assert locks.project([recorded(RENEWED, C1, 20, version=2)]) == [
        Upsert(locks.LOCKS, [{"stream": C1, "expires_at": at(50)}])
    ]


def test_a_stolen_lock_has_a_new_holder_and_token() -> None:
    batch = [recorded(GRANTED, C1, 1), recorded(STOLEN, C1, 2, version=2)]
    row: Row = {
        **GRANTED_ROW,
        "holder": BOB,
        "participation": S2,
        "token": 2,
        "expires_at": at(62),
        "acquired_at": at(2),
    }
    assert locks.project(batch) == [
        Upsert(locks.LOCKS, [row]),
        Delete(locks.LOCK_WAITERS, [(C1, S2)]),  # the thief waits no longer
    ]


def test_who_waits_has_a_row_until_they_have_it_or_leave() -> None:
    waits = recorded(QUEUED, C1, 2, version=2)
    assert locks.project([waits]) == [Upsert(locks.LOCK_WAITERS, [WAITER_ROW])]
    gone: Write = Delete(locks.LOCK_WAITERS, [(C1, S2)])
    assert locks.project([waits, recorded(UNQUEUED, C1, 3, version=3)]) == [gone]
    handed = [recorded(RELEASED, C1, 3, version=3), recorded(HANDED, C1, 3, version=4)]
    row = {**GRANTED_ROW, "holder": BOB, "participation": S2, "token": 4}
    assert locks.project([waits, *handed]) == [
        Delete(locks.LOCKS, [(C1,)]),
        Upsert(locks.LOCKS, [{**row, "expires_at": at(33), "acquired_at": at(3)}]),
        gone,
    ]


def test_who_waited_hears_of_the_grant_in_their_own_room_as_well() -> None:
    event = msgspec.structs.replace(HANDED, resource=f"task:{T1}/title")
    assert pushed(rooms.project([recorded(event, C1, 4, project=P1)])) == [
        (ROOM, Kind.EVENT, "lock.granted"),
        (f"task:{T1}", Kind.EVENT, "lock.granted"),
        (f"user:{BOB}", Kind.GRANT, "lock.granted"),
    ]


@pytest.mark.parametrize("end", [RELEASED, EXPIRED])
def test_a_lock_that_ends_has_no_row(end: LockReleased | LockExpired) -> None:
    assert locks.project([recorded(GRANTED, C1, 1), recorded(end, C1, 2, version=2)]) == [
        Delete(locks.LOCKS, [(C1,)])
    ]


def test_a_lock_granted_anew_in_one_batch_is_deleted_and_then_whole() -> None:
    batch = [
        recorded(EXPIRED, C1, 1, version=2),
        recorded(GRANTED, C1, 1, version=3),
    ]
    assert locks.project(batch) == [
        Delete(locks.LOCKS, [(C1,)]),
        Upsert(locks.LOCKS, [{**GRANTED_ROW, "token": 3}]),
    ]


def test_a_projects_event_goes_to_its_room() -> None:
    event = ProjectStatusChanged(status=ProjectStatus.ACTIVE, was=ProjectStatus.PLANNING)
    assert rooms.project([recorded(event, P1, 1)]) == [
        Push(ROOM, Kind.EVENT, recorded(event, P1, 1), event, type="project.status_changed")
    ]


def test_a_tasks_events_go_to_its_room_and_its_projects() -> None:
    done = TaskStatusChanged(status=TaskStatus.DONE, was=TaskStatus.TODO)
    said = CommentAdded(comment=C1, author=ANN, body="hi", at=at(2))
    batch = [recorded(done, T1, 1, project=P1), recorded(said, T1, 2, project=P1)]
    assert pushed(rooms.project(batch)) == [
        (f"task:{T1}", Kind.EVENT, "task.status_changed"),
        (ROOM, Kind.EVENT, "task.status_changed"),
        (f"task:{T1}", Kind.EVENT, "task.comment_added"),
        (ROOM, Kind.EVENT, "task.comment_added"),
    ]


@pytest.mark.parametrize("resource", ["field:title", f"user:{ANN}", f"project:{P1}", "ops"])
def test_a_lock_is_seen_in_its_projects_room(resource: str) -> None:
    event = msgspec.structs.replace(GRANTED, resource=resource)
    assert pushed(rooms.project([recorded(event, C1, 1, project=P1)])) == [
        (ROOM, Kind.EVENT, "lock.acquired")
    ]


@pytest.mark.parametrize("kind", ["task", "document"])
@pytest.mark.parametrize(
    ("event", "name"),
    [
        (GRANTED, "lock.acquired"),
        (RENEWED, "lock.renewed"),
        (RELEASED, "lock.released"),
        (EXPIRED, "lock.expired"),
        (STOLEN, "lock.stolen"),
        (QUEUED, "lock.queued"),
        (UNQUEUED, "lock.unqueued"),
    ],
)
def test_a_lock_on_something_with_a_room_is_seen_there_too(
    kind: str, event: LockEvent, name: str
) -> None:
    event = msgspec.structs.replace(event, resource=f"{kind}:{T1}")
    assert pushed(rooms.project([recorded(event, C1, 1, project=P1)])) == [
        (ROOM, Kind.EVENT, name),
        (f"{kind}:{T1}", Kind.EVENT, name),
    ]


def test_an_activity_goes_to_the_room_it_was_done_in() -> None:
    event = ActivityRecorded(room="ops", kind="wave", data=msgspec.Raw(b"{}"))
    assert pushed(rooms.project([recorded(event, S1, 1, project=P1)])) == [
        ("ops", Kind.EVENT, "activity.recorded")
    ]


def test_a_notification_goes_to_its_reader_alone() -> None:
    event = NotificationSent(user=BOB, kind="mention", title="Ann named you", project=P1, at=at(1))
    assert pushed(rooms.project([recorded(event, C1, 1, project=P1)])) == [
        (f"user:{BOB}", Kind.EVENT, "notification.sent")
    ]


def test_a_notification_that_goes_by_mail_alone_is_seen_in_no_room() -> None:
    event = NotificationSent(user=BOB, kind="report", title="Done", mail_only=True, at=at(1))
    assert rooms.project([recorded(event, C1, 1)]) == []


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (MemberRemoved(user=BOB), "project.member_removed"),
        (MemberRoleChanged(user=BOB, role=ProjectRole.VIEWER), "project.member_role_changed"),
    ],
)
def test_a_members_rights_are_looked_at_anew_after_the_room_has_heard(
    event: MemberRemoved | MemberRoleChanged, name: str
) -> None:
    batch = [recorded(event, P1, 1)]
    assert rooms.project(batch) == [
        Push(ROOM, Kind.EVENT, batch[0], event, type=name),
        Push(f"user:{BOB}", Kind.RIGHTS, batch[0], P1),
    ]


@pytest.mark.parametrize(
    "event",
    [
        UserDeactivated(reason="left"),
        UserRoleChanged(role=Role.GUEST),
        UserSignedOut(session=S1, at=at(1)),
    ],
)
def test_a_persons_rights_are_looked_at_anew_and_nobody_else_hears(
    event: UserDeactivated | UserRoleChanged | UserSignedOut,
) -> None:
    batch = [recorded(event, BOB, 1)]
    assert rooms.project(batch) == [Push(f"user:{BOB}", Kind.RIGHTS, batch[0], BOB)]


def test_participation_never_enters_the_rooms_log() -> None:
    participation = {type_ for tag, type_ in EVENTS.items() if tag.startswith("participation.")}
    assert participation
    assert participation.isdisjoint(rooms.PROJECTION.events)


def test_motion_is_passed_on_and_nothing_is_kept() -> None:
    moved = CursorMoved(room=ROOM, at=msgspec.Raw(b'{"x":1}'))
    typing = Typing(room=f"task:{T1}", where="title", on=True)
    batch = [recorded(moved, S1, 1, version=0), recorded(typing, S1, 2, version=0)]
    assert motion.project(batch) == [
        Push(ROOM, Kind.MOTION, batch[0], moved, type="motion.cursor"),
        Push(f"task:{T1}", Kind.MOTION, batch[1], typing, type="motion.typing"),
    ]


def test_only_motions_projection_reads_motion() -> None:
    durable: set[type[Event]] = set(EVENTS.values())
    assert motion.PROJECTION.motion
    assert durable.isdisjoint(motion.PROJECTION.events)
