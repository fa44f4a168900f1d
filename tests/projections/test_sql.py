"""The read models' SQL on a real Postgres: what was projected is what the queries find."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import msgspec
import pytest

from domain.activity import ActivityRecorded
from domain.audit import AuditFilter
from domain.client import ClientArchived, ClientCreated, ClientStatus, Contact
from domain.kernel import Event, Recorded
from domain.lock import LockAcquired, LockQueued, LockStolen
from domain.notification import NotificationRead, NotificationSent
from domain.participation import Joined, LeaveReason, Left, StatusSet
from domain.priority import Priority
from domain.project import MemberAdded, MemberRemoved, ProjectCreated, ProjectRole
from domain.task import (
    CommentAdded,
    CommentEdited,
    CommentRemoved,
    TaskAssigned,
    TaskChanged,
    TaskCreated,
    TaskStatus,
    TaskStatusChanged,
)
from domain.user import Role, UserDeactivated, UserRegistered, UserStatus
from infra.db import Connection
from projections import (
    activity,
    audit_list,
    clients,
    locks,
    members,
    notifications,
    projects,
    tasks,
    users,
)
from projections.apply import apply
from projections.audit_list import list_audit, next_page
from projections.model import Push
from projections.registry import PROJECTIONS
from tests.projections.samples import (
    ANN,
    BOB,
    C1,
    C2,
    CAT,
    CONN,
    NODE,
    P1,
    P2,
    T1,
    T2,
    at,
    recorded,
)

pytestmark = pytest.mark.services

S1, S2, S3 = UUID(int=51), UUID(int=52), UUID(int=53)
ROOM = f"project:{P1}"


async def project(db: Connection, *batch: Recorded[Event]) -> None:
    """Give the batch to every projection that reads it."""
    for projection in PROJECTIONS:
        mine = [one for one in batch if isinstance(one.event, projection.events)]
        if mine:
            writes = projection.project(mine)
            await apply(db, [write for write in writes if not isinstance(write, Push)])


async def test_users_are_found_by_name_and_filter_page_by_page(db: Connection) -> None:
    people = [(ANN, "Ann", Role.ADMIN), (BOB, "Bob", Role.MEMBER), (CAT, "Bob", Role.MEMBER)]
    for n, (user, name, role) in enumerate(people, start=1):
        email = f"{name.lower()}{n}@x.org"
        event = UserRegistered(email=email, name=name, role=role, department="IT", at=at(n))
        await project(db, recorded(event, user, n))
    await project(db, recorded(UserDeactivated(reason="left"), CAT, 9, version=2))
    first = await users.list_users(db, limit=2)
    rest = await users.list_users(db, after=(first[-1].name, first[-1].id))
    assert [row.id for row in [*first, *rest]] == [ANN, BOB, CAT]
    assert [row.id for row in await users.list_users(db, role=Role.MEMBER)] == [BOB, CAT]
    assert [row.id for row in await users.list_users(db, status=UserStatus.DEACTIVATED)] == [CAT]
    assert [row.id for row in await users.list_users(db, search="BOB2@")] == [BOB]
    assert [row.id for row in await users.list_users(db, search="%")] == []
    assert [row.id for row in await users.list_users(db, department="HR")] == []
    cat = await users.get_user(db, CAT)
    assert cat is not None
    assert (cat.status, cat.version, cat.position, cat.created_at) == ("deactivated", 2, 9, at(3))
    assert await users.get_user(db, P1) is None


async def test_clients_keep_their_contacts(db: Connection) -> None:
    contact = Contact(name='Zoë "Z" {x}, \\', email="z@x.org")
    created = ClientCreated(name="ACME", contacts=(contact,), at=at(1))
    await project(
        db,
        recorded(created, C1, 1),
        recorded(ClientCreated(name="Zeta", at=at(2)), C2, 2),
        recorded(ClientArchived(), C2, 3, version=2),
    )
    row = await clients.get_client(db, C1)
    assert row is not None
    assert msgspec.convert(row.contacts, tuple[Contact, ...]) == (contact,)
    assert [one.id for one in await clients.list_clients(db, after=("ACME", C1))] == [C2]
    assert [one.id for one in await clients.list_clients(db, search="acm")] == [C1]
    archived = await clients.list_clients(db, status=ClientStatus.ARCHIVED)
    assert [one.id for one in archived] == [C2]


async def test_projects_are_listed_newest_first_and_by_member(db: Connection) -> None:
    await project(
        db,
        recorded(ProjectCreated(name="Bridge", manager=ANN, client=C1, at=at(1)), P1, 1),
        recorded(MemberAdded(user=ANN, role=ProjectRole.MANAGER), P1, 2, version=2),
        recorded(MemberAdded(user=BOB, role=ProjectRole.VIEWER), P1, 3, version=3),
        recorded(
            ProjectCreated(
                name="Tower",
                manager=BOB,
                priority=Priority.HIGH,
                type="x",
                ends=date(2031, 1, 1),
                at=at(4),
            ),
            P2,
            4,
        ),
        recorded(MemberAdded(user=BOB, role=ProjectRole.MANAGER), P2, 5, version=2),
    )
    newest = await projects.list_projects(db, limit=1)
    older = await projects.list_projects(db, after=(newest[0].created_at, newest[0].id))
    assert [row.id for row in [*newest, *older]] == [P2, P1]
    assert newest[0].ends == date(2031, 1, 1)
    for found, expected in [
        (await projects.list_projects(db, member=ANN), [P1]),
        (await projects.list_projects(db, manager=BOB), [P2]),
        (await projects.list_projects(db, client=C1), [P1]),
        (await projects.list_projects(db, priority=Priority.HIGH), [P2]),
        (await projects.list_projects(db, type="x"), [P2]),
    ]:
        assert [row.id for row in found] == expected
    assert await projects.projects_of_user(db, BOB) == [P1, P2]
    assert await projects.projects_of_user(db, BOB, after=P1) == [P2]
    assert [row.user_id for row in await projects.project_members_of(db, P1, after=ANN)] == [BOB]
    await project(db, recorded(MemberRemoved(user=BOB), P1, 6, version=4))
    assert await projects.projects_of_user(db, BOB) == [P2]
    bridge = await projects.get_project(db, P1)
    assert bridge is not None
    assert bridge.version == 4


def tasks_batch() -> Sequence[Recorded[Event]]:
    return [
        recorded(TaskCreated(project=P1, title="Dig", due=date(2030, 3, 1), at=at(1)), T1, 1),
        recorded(TaskAssigned(assignee=BOB), T1, 2, version=2, project=P1),
        recorded(TaskCreated(project=P2, title="Fill", priority=Priority.LOW, at=at(3)), T2, 3),
        recorded(MemberAdded(user=CAT, role=ProjectRole.VIEWER), P2, 4),
        comment(C1, "one", 5),
        comment(C2, 'two, "quoted"', 6),
    ]


def comment(key: UUID, body: str, position: int) -> Recorded[Event]:
    event = CommentAdded(comment=key, author=ANN, body=body, mentions=(BOB,), at=at(position))
    return recorded(event, T1, position, version=position - 2, project=P1)


async def test_tasks_are_found_by_what_they_are(db: Connection) -> None:
    await project(db, *tasks_batch())
    for found, expected in [
        (await tasks.list_tasks(db), [T2, T1]),
        (await tasks.list_tasks(db, after=(at(3), T2)), [T1]),
        (await tasks.list_tasks(db, project=P1), [T1]),
        (await tasks.list_tasks(db, assignee=BOB), [T1]),
        (await tasks.list_tasks(db, member=CAT), [T2]),
        (await tasks.list_tasks(db, priority=Priority.LOW), [T2]),
        (await tasks.list_tasks(db, status=TaskStatus.DONE), []),
        (await tasks.list_tasks(db, due_before=date(2030, 3, 2)), [T1]),
        (await tasks.list_tasks(db, due_before=date(2030, 3, 1)), []),
        (await tasks.list_tasks(db, due_after=date(2030, 2, 28)), [T1]),
        (await tasks.list_tasks(db, due_after=date(2030, 3, 1)), []),
    ]:
        assert [row.id for row in found] == expected


async def test_comments_are_read_in_order_and_counted(db: Connection) -> None:
    await project(db, *tasks_batch())
    edit = CommentEdited(comment=C1, body="ONE")
    await project(db, recorded(edit, T1, 7, version=5, project=P1))
    first, second = await tasks.comments_of(db, T1)
    assert (first.body, first.mentions, first.edited_at) == ("ONE", [], at(7))
    assert (second.body, second.mentions, second.position) == ('two, "quoted"', [str(BOB)], 6)
    assert [row.id for row in await tasks.comments_of(db, T1, after=5)] == [C2]
    task = await tasks.get_task(db, T1)
    assert task is not None
    assert (task.comments, task.version, task.assignee) == (2, 5, BOB)
    await project(db, recorded(CommentRemoved(comment=C1), T1, 8, version=6))
    task = await tasks.get_task(db, T1)
    assert task is not None
    assert (task.comments, task.version) == (1, 6)


async def test_the_same_batch_twice_gives_the_same_tables(db: Connection) -> None:
    batch = [
        *tasks_batch(),
        recorded(CommentRemoved(comment=C1), T1, 7, version=5),
        recorded(TaskChanged(due=None), T1, 8, version=6),
    ]
    writes = tasks.PROJECTION.project(
        [one for one in batch if isinstance(one.event, tasks.PROJECTION.events)]
    )
    await apply(db, writes)
    once = (await tasks.list_tasks(db), await tasks.comments_of(db, T1))
    await apply(db, writes)
    assert (await tasks.list_tasks(db), await tasks.comments_of(db, T1)) == once
    assert [(row.id, row.comments) for row in once[0]] == [(T2, 0), (T1, 1)]


async def test_what_changes_without_a_row_changes_nothing(db: Connection) -> None:
    done = TaskStatusChanged(status=TaskStatus.DONE, was=TaskStatus.TODO)
    await project(db, recorded(done, T1, 1, project=P1))
    assert await tasks.list_tasks(db) == []


async def test_activity_is_read_by_project_and_by_person(db: Connection) -> None:
    own = ActivityRecorded(room=ROOM, kind="wave", data=msgspec.Raw(b'{"x": [1.5, "\\u00e9"]}'))
    await project(db, *tasks_batch(), recorded(own, S1, 7, actor=BOB, project=P1))
    rows = await activity.activity_of_project(db, P1)
    assert [row.position for row in rows] == [7, 6, 5, 2]
    assert rows[0].detail == {"room": ROOM, "kind": "wave", "data": {"x": [1.5, "é"]}}
    assert rows[1].detail == {"comment": str(C2)}
    assert [row.position for row in await activity.activity_of_project(db, P1, after=6)] == [5, 2]
    assert [row.verb for row in await activity.activity_of_user(db, BOB)] == ["activity.recorded"]


async def test_notifications_are_read_newest_first(db: Connection) -> None:
    for n, key in enumerate((C1, C2), start=1):
        sent = NotificationSent(user=BOB, kind="mention", title=f"{n}", project=P1, at=at(n))
        await project(db, recorded(sent, key, n))
    await project(db, recorded(NotificationRead(at=at(5)), C1, 5, version=2))
    rows = await notifications.notifications_of(db, BOB)
    assert [(row.id, row.read_at) for row in rows] == [(C2, None), (C1, at(5))]
    assert [row.id for row in await notifications.notifications_of(db, BOB, unread=True)] == [C2]
    assert [row.id for row in await notifications.notifications_of(db, BOB, after=2)] == [C1]
    assert await notifications.notifications_of(db, ANN) == []


async def test_presence_counts_people_connections_and_rooms(db: Connection) -> None:
    other, task = UUID(int=43), f"task:{T1}"
    here = Joined(user=ANN, connection=CONN, room=ROOM, project=P1, node=NODE, device="phone")
    there = Joined(user=ANN, connection=other, room=task, project=P1, node=NODE)
    own = Joined(user=BOB, connection=other, room=f"user:{BOB}", node=other)
    await project(
        db,
        recorded(here, S1, 1),
        recorded(there, S2, 2),
        recorded(own, S3, 3),
        recorded(StatusSet(user=ANN, room=ROOM, status="away", location="board"), S1, 4),
        recorded(StatusSet(user=BOB, room=own.room, status="at lunch"), S3, 5),
    )
    (shown,) = await members.members_of(db, ROOM)
    assert (shown.user, shown.status, shown.location, shown.device) == (
        ANN,
        "away",
        "board",
        "phone",
    )
    online = await members.online_users(db)
    assert [(row.user_id, row.connections, row.status, row.since) for row in online] == [
        (ANN, 2, "online", at(1)),
        (BOB, 1, "at lunch", at(3)),
    ]
    assert [row.user_id for row in await members.online_users(db, after=ANN)] == [BOB]
    active = await members.active_rooms(db)
    assert [(row.room, row.members) for row in active] == [(ROOM, 1), (task, 1)]
    assert [row.room for row in await members.active_rooms(db, after=ROOM)] == [task]
    await project(db, recorded(Left(user=ANN, room=ROOM, reason=LeaveReason.SAID), S1, 6))
    assert await members.members_of(db, ROOM) == []


async def test_locks_are_found_by_project_holder_and_end(db: Connection) -> None:
    def granted(resource: str, participation: UUID, until: int) -> LockAcquired:
        return LockAcquired(
            project=P1,
            resource=resource,
            holder=ANN,
            participation=participation,
            ttl_ms=30_000,
            expires=at(until),
        )

    stolen = LockStolen(
        project=P1,
        resource="a",
        was=ANN,
        holder=BOB,
        participation=S3,
        reason="x",
        ttl_ms=30_000,
        expires=at(60),
    )
    await project(db, recorded(granted("a", S1, 31), C1, 1), recorded(granted("b", S2, 32), C2, 2))
    await project(db, recorded(stolen, C1, 3, version=2))
    a, b = await locks.locks_of(db, P1)
    assert (a.resource, a.holder, a.token, a.expires_at) == ("a", BOB, 2, at(60))
    assert await locks.locks_of(db, P1, after="a") == [b]
    assert await locks.expired_locks(db, at(32), 10) == [b]
    assert await locks.expired_locks(db, at(60), 1) == [b]


async def test_a_lock_is_shown_with_its_queue(db: Connection) -> None:
    held = LockAcquired(
        project=P1, resource="a", holder=ANN, participation=S1, ttl_ms=30_000, expires=at(31)
    )
    first, second = (
        LockQueued(project=P1, resource="a", waiter=BOB, participation=one, ttl_ms=30_000)
        for one in (S3, S2)
    )
    await project(db, recorded(held, C1, 1), recorded(first, C1, 2, version=2))
    await project(db, recorded(second, C1, 3, version=3))
    [row] = await locks.locks_of(db, P1)
    assert row.queue == [S3, S2]
    [over] = await locks.expired_locks(db, at(32), 10)
    waiters = [locks.WaiterRow(C1, S2, BOB, 3, at(3)), locks.WaiterRow(C1, S3, BOB, 2, at(2))]
    assert locks.with_queues([over], waiters) == [row]


async def test_audit_is_searched_and_paged(db: Connection) -> None:
    await project(db, *tasks_batch())

    async def positions(wanted: AuditFilter, after: int | None = None, limit: int = 9) -> list[int]:
        return [row.position for row in (await list_audit(db, wanted, after, limit)).rows]

    everything = AuditFilter()
    assert await positions(everything) == [6, 5, 4, 3, 2, 1]
    assert await positions(everything, 5, 2) == [4, 3]
    for wanted, expected in [
        (AuditFilter(actor=BOB), []),
        (AuditFilter(aggregate="project"), [4]),
        (AuditFilter(subject=T2), [3]),
        (AuditFilter(type="task.comment_added.v2"), [6, 5]),
        (AuditFilter(project=P1), [6, 5, 2]),
        (AuditFilter(command_id=C1), []),
        (AuditFilter(since=at(3), until=at(5)), [4, 3]),
        (AuditFilter(since=at(7)), []),
        (AuditFilter(search="quoted two"), [6]),
        (AuditFilter(search="quoted", project=P2), []),
        (AuditFilter(project=P1, type="task.assigned.v1"), [2]),
    ]:
        assert await positions(wanted) == expected, wanted
    (row,) = (await list_audit(db, AuditFilter(type="task.assigned.v1"))).rows
    assert row.data == {"assignee": str(BOB), "was": None}


async def test_a_page_of_the_audit_looks_only_so_far(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_list, "LOOKED", 2)
    await project(db, *tasks_batch())
    wanted, pages, after = AuditFilter(project=P1, type="task.assigned.v1"), list[list[int]](), None
    for _ in range(5):
        found = await list_audit(db, wanted, after, 9)
        pages.append([row.position for row in found.rows])
        after = found.next
        if after is None:
            break
    assert pages == [[], [2]]
    upwards = await next_page(db, wanted, 0, 6)
    assert ([row.position for row in upwards.rows], upwards.next) == ([2], 5)
