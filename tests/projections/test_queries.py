"""users, clients, projects, tasks, activity, notifications and audit: their rows."""

from datetime import date

import msgspec

from domain.client import ClientArchived, ClientChanged, ClientCreated, ClientRestored, Contact
from domain.entry import UserSignedOut
from domain.kernel import Metadata
from domain.notification import NotificationRead, NotificationSent
from domain.priority import Priority
from domain.project import (
    MemberAdded,
    MemberRemoved,
    MemberRoleChanged,
    ProjectChanged,
    ProjectCreated,
    ProjectManagerChanged,
    ProjectRole,
    ProjectStatus,
    ProjectStatusChanged,
)
from domain.registry import EVENTS
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
from domain.user import (
    PasswordSet,
    Role,
    UserDeactivated,
    UserEmailChanged,
    UserProfileChanged,
    UserReactivated,
    UserRegistered,
    UserRoleChanged,
)
from projections import activity, audit, clients, notifications, projects, tasks, users
from projections.model import Delete, Insert, Row, Sql, Upsert
from projections.tasks import COMMENTS, COUNT_COMMENTS, TASKS
from tests.projections.samples import ANN, BOB, C1, C2, P1, P2, T1, T2, at, recorded

REGISTERED = UserRegistered(email="ann@x.org", name="Ann", role=Role.MEMBER, at=at(1))
CREATED = ProjectCreated(name="Bridge", manager=ANN, starts=date(2030, 1, 1), at=at(1))
TASK_CREATED = TaskCreated(project=P1, title="Dig", due=date(2030, 2, 1), at=at(1))
SAID = CommentAdded(comment=C1, author=ANN, body="hi", mentions=(BOB,), at=at(2))


def test_a_registered_user_has_a_whole_row() -> None:
    assert users.project([recorded(REGISTERED, ANN, 1)]) == [
        Upsert(
            users.USERS,
            [
                {
                    "id": ANN,
                    "version": 1,
                    "position": 1,
                    "email": "ann@x.org",
                    "name": "Ann",
                    "role": "member",
                    "department": "",
                    "status": "active",
                    "email_verified": False,
                    "created_at": at(1),
                }
            ],
        )
    ]


def test_a_users_changes_fold_into_one_row() -> None:
    changes = [
        UserProfileChanged(department="IT"),
        UserEmailChanged(email="a@x.org"),
        UserRoleChanged(role=Role.AUDITOR),
        UserDeactivated(reason="left"),
        UserReactivated(),
        PasswordSet(),
        UserSignedOut(session=ANN, at=at(1)),
    ]
    batch = [recorded(event, ANN, n, version=n) for n, event in enumerate(changes, start=2)]
    assert users.project(batch) == [
        Upsert(
            users.USERS,
            [
                {
                    "id": ANN,
                    "version": 8,
                    "position": 8,
                    "department": "IT",
                    "email": "a@x.org",
                    "email_verified": False,
                    "role": "auditor",
                    "status": "active",
                }
            ],
        )
    ]


def test_a_clients_contacts_are_json() -> None:
    event = ClientCreated(name="ACME", contacts=(Contact(name="Zoë"),), at=at(1))
    (write,) = clients.project([recorded(event, C1, 1)])
    assert isinstance(write, Upsert)
    assert set(write.rows[0]) == set(clients.CLIENTS.columns)
    assert write.rows[0]["contacts"] == '[{"name":"Zoë","email":"","phone":""}]'


def test_a_clients_new_name_leaves_the_contacts() -> None:
    changes = [ClientChanged(name="ACME Inc"), ClientArchived(), ClientRestored(), ClientArchived()]
    batch = [recorded(event, C1, n, version=n) for n, event in enumerate(changes, start=2)]
    row: Row = {"id": C1, "version": 5, "position": 5, "name": "ACME Inc", "status": "archived"}
    assert clients.project(batch) == [Upsert(clients.CLIENTS, [row])]


def test_a_created_project_has_a_whole_row_and_its_manager_as_member() -> None:
    added = MemberAdded(user=ANN, role=ProjectRole.MANAGER)
    batch = [recorded(CREATED, P1, 1), recorded(added, P1, 2, version=2)]
    whole, member = projects.project(batch)
    assert isinstance(whole, Upsert)
    assert set(whole.rows[0]) == set(projects.PROJECTS.columns)
    assert (whole.rows[0]["status"], whole.rows[0]["version"]) == ("planning", 2)
    assert member == Upsert(
        projects.PROJECT_MEMBERS, [{"project": P1, "user_id": ANN, "role": "manager"}]
    )


def test_a_projects_fields_can_be_emptied_and_the_others_stay() -> None:
    changes = [
        ProjectChanged(client=None, ends=None, priority=Priority.HIGH),
        ProjectStatusChanged(status=ProjectStatus.ACTIVE, was=ProjectStatus.PLANNING),
        ProjectManagerChanged(manager=BOB, was=ANN),
    ]
    batch = [recorded(event, P1, n, version=n) for n, event in enumerate(changes, start=2)]
    row: Row = {
        "id": P1,
        "version": 4,
        "position": 4,
        "client": None,
        "ends": None,
        "priority": "high",
        "status": "active",
        "manager": BOB,
    }
    assert projects.project(batch) == [Upsert(projects.PROJECTS, [row])]


def test_members_change_and_go() -> None:
    batch = [
        recorded(MemberRoleChanged(user=ANN, role=ProjectRole.VIEWER), P1, 2, version=2),
        recorded(MemberRemoved(user=BOB), P1, 3, version=3),
    ]
    assert projects.project(batch)[1:] == [
        Delete(projects.PROJECT_MEMBERS, [(P1, BOB)]),
        Upsert(projects.PROJECT_MEMBERS, [{"project": P1, "user_id": ANN, "role": "viewer"}]),
    ]


def test_a_created_task_has_a_whole_row_and_its_comments_are_counted() -> None:
    batch = [recorded(TASK_CREATED, T1, 1), recorded(TaskAssigned(assignee=BOB), T1, 2, version=2)]
    whole, counted = tasks.project(batch)
    assert isinstance(whole, Upsert)
    assert set(whole.rows[0]) == set(TASKS.columns)
    assert (whole.rows[0]["assignee"], whole.rows[0]["version"]) == (BOB, 2)
    assert counted == Sql(COUNT_COMMENTS, {"tasks": [T1]})


def test_a_tasks_changes_count_nothing() -> None:
    changes = [
        TaskChanged(title="Dig deep", due=None),
        TaskStatusChanged(status=TaskStatus.DONE, was=TaskStatus.TODO),
        TaskAssigned(assignee=None, was=BOB),
    ]
    batch = [recorded(event, T1, n, version=n) for n, event in enumerate(changes, start=2)]
    row: Row = {
        "id": T1,
        "version": 4,
        "position": 4,
        "title": "Dig deep",
        "due": None,
        "status": "done",
        "assignee": None,
    }
    assert tasks.project(batch) == [Upsert(TASKS, [row])]


def test_a_comment_moves_the_tasks_version_and_has_a_row() -> None:
    batch = [recorded(SAID, T1, 2, version=2, project=P1)]
    comment: Row = {
        "id": C1,
        "task": T1,
        "project": P1,
        "author": ANN,
        "body": "hi",
        "mentions": f'["{BOB}"]',
        "created_at": at(2),
        "edited_at": None,
        "position": 2,
    }
    assert tasks.project(batch) == [
        Upsert(TASKS, [{"id": T1, "version": 2, "position": 2}]),
        Upsert(COMMENTS, [comment]),
        Sql(COUNT_COMMENTS, {"tasks": [T1]}),
    ]


def test_an_edited_comment_keeps_its_place() -> None:
    batch = [recorded(CommentEdited(comment=C1, body="ho"), T1, 3, version=3)]
    row: Row = {"id": C1, "task": T1, "body": "ho", "mentions": "[]", "edited_at": at(3)}
    assert tasks.project(batch)[1:] == [Upsert(COMMENTS, [row])]


def test_a_removed_comment_goes_from_its_own_task_only() -> None:
    batch = [recorded(CommentRemoved(comment=C1), T2, 3, version=3)]
    assert tasks.project(batch)[1:] == [
        Delete(COMMENTS, [(T2, C1)]),
        Sql(COUNT_COMMENTS, {"tasks": [T2]}),
    ]


def test_a_notification_is_unread_until_it_is_read() -> None:
    sent = NotificationSent(user=BOB, kind="mention", title="Ann named you", at=at(1))
    (write,) = notifications.project([recorded(sent, C1, 1)])
    assert isinstance(write, Upsert)
    assert set(write.rows[0]) == set(notifications.NOTIFICATIONS.columns)
    assert write.rows[0]["read_at"] is None
    assert notifications.project([recorded(NotificationRead(at=at(5)), C1, 5, version=2)]) == [
        Upsert(notifications.NOTIFICATIONS, [{"id": C1, "read_at": at(5)}])
    ]


def test_an_activity_says_who_did_what_to_which_task() -> None:
    done = TaskStatusChanged(status=TaskStatus.DONE, was=TaskStatus.TODO)
    assert activity.project([recorded(done, T1, 3, actor=BOB, project=P1)]) == [
        Insert(
            activity.ACTIVITY,
            [
                {
                    "position": 3,
                    "project": P1,
                    "actor": BOB,
                    "verb": "task.status_changed",
                    "subject": T1,
                    "task": T1,
                    "at": at(3),
                    "detail": '{"status":"done","was":"todo"}',
                }
            ],
        )
    ]


def test_an_activity_does_not_keep_what_a_comment_says() -> None:
    (write,) = activity.project([recorded(SAID, T1, 2, project=P1)])
    assert isinstance(write, Insert)
    assert write.rows[0]["detail"] == f'{{"comment":"{C1}"}}'


def test_a_projects_activity_is_its_own_whatever_the_command_said() -> None:
    (write,) = activity.project([recorded(CREATED, P1, 1), recorded(ClientArchived(), C1, 2)])
    assert isinstance(write, Insert)
    assert [(row["project"], row["task"]) for row in write.rows] == [(P1, None), (None, None)]


def test_an_activity_leaves_out_what_did_not_change() -> None:
    (write,) = activity.project([recorded(ProjectChanged(name="Tower"), P1, 2)])
    assert isinstance(write, Insert)
    assert write.rows[0]["detail"] == '{"name":"Tower"}'


def test_audit_keeps_where_an_event_came_from() -> None:
    meta = Metadata(
        actor=ANN,
        on_behalf_of=BOB,
        command="change_profile",
        command_id=C1,
        correlation_id=C2,
        causation=17,
        project_id=P2,
        ip="127.0.0.1",
        user_agent="curl",
    )
    event = msgspec.structs.replace(recorded(UserProfileChanged(name="Anna"), ANN, 9), meta=meta)
    assert audit.project([event]) == [
        Insert(
            audit.AUDIT,
            [
                {
                    "position": 9,
                    "at": at(9),
                    "actor": ANN,
                    "on_behalf_of": BOB,
                    "command": "change_profile",
                    "command_id": C1,
                    "correlation_id": C2,
                    "causation": "17",
                    "aggregate": "user",
                    "subject": ANN,
                    "version": 1,
                    "type": "user.profile_changed.v1",
                    "project": P2,
                    "ip": "127.0.0.1",
                    "user_agent": "curl",
                    "api_key": None,
                    "data": '{"name":"Anna"}',
                    "words": "Anna",
                }
            ],
        )
    ]


def test_audit_of_what_nothing_caused_names_no_cause() -> None:
    (write,) = audit.project([recorded(REGISTERED, ANN, 1, actor=None)])
    assert isinstance(write, Insert)
    assert (write.rows[0]["causation"], write.rows[0]["actor"]) == (None, None)


def test_audit_searches_texts_and_nothing_else() -> None:
    registered = msgspec.structs.replace(REGISTERED, name="Ann", department="")
    assert audit.words(registered) == f"{REGISTERED.email} Ann"
    assert audit.words(NotificationRead(at=at(1))) is None


def test_audit_has_every_durable_event() -> None:
    assert set(audit.PROJECTION.events) == set(EVENTS.values())


def test_the_same_batch_gives_the_same_writes() -> None:
    batch = [recorded(TASK_CREATED, T1, 1), recorded(SAID, T1, 2, version=2, project=P1)]
    before = list(batch)
    assert tasks.project(batch) == tasks.project(batch)
    assert batch == before
