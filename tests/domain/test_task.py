from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from domain.errors import Refused
from domain.kernel import fold
from domain.priority import Priority
from domain.task import (
    MAX_COMMENTS,
    MAX_MENTIONS,
    TASK,
    AddComment,
    AssignTask,
    ChangeTask,
    ChangeTaskStatus,
    CommentAdded,
    CommentEdited,
    CommentRemoved,
    CreateTask,
    EditComment,
    RemoveComment,
    Task,
    TaskAssigned,
    TaskChanged,
    TaskCommand,
    TaskCreated,
    TaskEvent,
    TaskStatus,
    TaskStatusChanged,
)
from tests.dsl import check, refused

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ANN, BOB, P1, C1, C2 = UUID(int=1), UUID(int=2), UUID(int=11), UUID(int=21), UUID(int=22)
MARCH = date(2030, 3, 1)

CREATED = TaskCreated(project=P1, title="Dig", due=MARCH, at=NOW)
SAID = CommentAdded(comment=C1, author=ANN, body="hi", at=NOW)


def say(
    body: str = "hi", *, comment: UUID = C1, mentions: Sequence[UUID] = (), author: UUID = ANN
) -> AddComment:
    return AddComment(comment=comment, author=author, body=body, mentions=tuple(mentions), at=NOW)


def edit(body: str = "ho", *, by: UUID = ANN, moderator: bool = False) -> EditComment:
    return EditComment(comment=C1, by=by, moderator=moderator, body=body)


def people(count: int) -> tuple[UUID, ...]:
    return tuple(UUID(int=100 + number) for number in range(count))


def test_a_task_is_created_with_trimmed_texts() -> None:
    command = CreateTask(project=P1, title=" Dig ", description=" ", due=MARCH, at=NOW)
    check(TASK, given=[], when=command, then=[CREATED])


def test_an_assignment_at_creation_is_an_event_of_its_own() -> None:
    command = CreateTask(project=P1, title="Dig", due=MARCH, assignee=BOB, at=NOW)
    check(TASK, given=[], when=command, then=[CREATED, TaskAssigned(assignee=BOB)])


def test_a_task_is_not_created_twice() -> None:
    command = CreateTask(project=P1, title="Dig", at=NOW)
    check(TASK, given=[CREATED], when=command, then=refused("task.exists"))


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (CreateTask(project=P1, title=" ", at=NOW), "task.bad_title"),
        (CreateTask(project=P1, title="x" * 201, at=NOW), "task.bad_title"),
        (
            CreateTask(project=P1, title="x", description="x" * 20_001, at=NOW),
            "task.bad_description",
        ),
    ],
)
def test_texts_of_a_task_are_bounded(command: CreateTask, code: str) -> None:
    check(TASK, given=[], when=command, then=refused(code))


@pytest.mark.parametrize(
    "command",
    [
        ChangeTask(title="B"),
        ChangeTaskStatus(status=TaskStatus.DONE),
        AssignTask(assignee=BOB),
        say(),
        edit(),
        RemoveComment(comment=C1, by=ANN),
    ],
)
def test_what_was_not_created_cannot_be_changed(command: TaskCommand) -> None:
    check(TASK, given=[], when=command, then=refused("task.not_found"))


def test_only_what_differs_is_changed() -> None:
    check(
        TASK,
        given=[CREATED],
        when=ChangeTask(title="Dig", description="Deep", priority=Priority.HIGH, due=MARCH),
        then=[TaskChanged(description="Deep", priority=Priority.HIGH)],
    )
    check(TASK, given=[CREATED], when=ChangeTask(title="Fill"), then=[TaskChanged(title="Fill")])
    check(TASK, given=[CREATED], when=ChangeTask(priority=Priority.NORMAL), then=[])


def test_a_task_need_not_be_due() -> None:
    check(TASK, given=[CREATED], when=ChangeTask(due=None), then=[TaskChanged(due=None)])


def test_a_status_changes_once() -> None:
    changed = TaskStatusChanged(status=TaskStatus.DONE, was=TaskStatus.TODO)
    check(TASK, given=[CREATED], when=ChangeTaskStatus(status=TaskStatus.DONE), then=[changed])
    check(TASK, given=[CREATED], when=ChangeTaskStatus(status=TaskStatus.TODO), then=[])


def test_a_task_passes_from_hand_to_hand() -> None:
    to_bob = TaskAssigned(assignee=BOB)
    check(TASK, given=[CREATED], when=AssignTask(assignee=BOB), then=[to_bob])
    check(TASK, given=[CREATED, to_bob], when=AssignTask(assignee=BOB), then=[])
    to_ann, to_nobody = TaskAssigned(assignee=ANN, was=BOB), TaskAssigned(assignee=None, was=BOB)
    check(TASK, given=[CREATED, to_bob], when=AssignTask(assignee=ANN), then=[to_ann])
    check(TASK, given=[CREATED, to_bob], when=AssignTask(assignee=None), then=[to_nobody])


def test_a_comment_names_each_person_once() -> None:
    added = CommentAdded(comment=C1, author=ANN, body="hi", mentions=(BOB, ANN), at=NOW)
    check(TASK, given=[CREATED], when=say(" hi ", mentions=[BOB, ANN, BOB]), then=[added])


def test_a_comment_is_added_once() -> None:
    check(TASK, given=[CREATED, SAID], when=say(), then=refused("task.comment_exists"))


@pytest.mark.parametrize("body", ["", " \n", "x" * 4_001])
def test_a_comment_has_a_bounded_body(body: str) -> None:
    check(TASK, given=[CREATED], when=say(body), then=refused("task.bad_body"))
    check(TASK, given=[CREATED, SAID], when=edit(body), then=refused("task.bad_body"))


def test_a_comment_names_a_bounded_number_of_people() -> None:
    most = people(MAX_MENTIONS)
    added = CommentAdded(comment=C1, author=ANN, body="hi", mentions=most, at=NOW)
    check(TASK, given=[CREATED], when=say(mentions=most * 2), then=[added])
    too_many = say(mentions=people(MAX_MENTIONS + 1))
    check(TASK, given=[CREATED], when=too_many, then=refused("task.too_many_mentions"))


def test_a_task_holds_a_bounded_number_of_comments() -> None:
    full = Task(project=P1, authors=dict.fromkeys(people(MAX_COMMENTS), ANN))
    with pytest.raises(Refused, match=r"task\.too_many_comments"):
        TASK.decide(say(), full)


def test_the_author_edits_a_comment() -> None:
    edited = CommentEdited(comment=C1, body="ho")
    check(TASK, given=[CREATED, SAID], when=edit(" ho "), then=[edited])


def test_nobody_else_touches_a_comment_but_a_moderator() -> None:
    given: list[TaskEvent] = [CREATED, SAID]
    theirs = refused("task.not_the_author")
    check(TASK, given=given, when=edit(by=BOB), then=theirs)
    check(TASK, given=given, when=RemoveComment(comment=C1, by=BOB), then=theirs)
    edited, removed = CommentEdited(comment=C1, body="ho"), CommentRemoved(comment=C1)
    check(TASK, given=given, when=edit(by=BOB, moderator=True), then=[edited])
    check(TASK, given=given, when=RemoveComment(comment=C1, by=BOB, moderator=True), then=[removed])


def test_a_comment_is_removed_once() -> None:
    removed = CommentRemoved(comment=C1)
    remove = RemoveComment(comment=C1, by=ANN)
    check(TASK, given=[CREATED, SAID], when=remove, then=[removed])
    check(TASK, given=[CREATED, SAID, removed], when=remove, then=[])


def test_a_removed_comment_cannot_be_edited() -> None:
    given = [CREATED, SAID, CommentRemoved(comment=C1)]
    check(TASK, given=given, when=edit(), then=refused("task.no_such_comment"))


def test_the_state_is_what_the_events_say() -> None:
    state = fold(
        TASK,
        [
            CREATED,
            TaskAssigned(assignee=BOB),
            TaskChanged(description="Deep", due=None),
            TaskStatusChanged(status=TaskStatus.REVIEW, was=TaskStatus.TODO),
            SAID,
            CommentAdded(comment=C2, author=BOB, body="yes", at=NOW),
            CommentEdited(comment=C1, body="ho"),
            CommentRemoved(comment=C1),
        ],
    )
    assert state == Task(
        project=P1,
        title="Dig",
        description="Deep",
        status=TaskStatus.REVIEW,
        assignee=BOB,
        authors={C2: BOB},
    )
