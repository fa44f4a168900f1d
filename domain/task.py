"""Task: a piece of a project's work, who does it, and what is said about it."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domain.errors import Invalid, NotAllowed, NotFound, WrongState
from domain.kernel import Command, Decider, Event
from domain.priority import Priority
from domain.text import checked

MAX_TITLE = 200  # characters
MAX_DESCRIPTION = 20_000  # characters
MAX_BODY = 4_000  # characters
MAX_MENTIONS = 20
MAX_COMMENTS = 10_000


class TaskStatus(StrEnum):
    TODO = "todo"
    IN_PROGRESS = "in_progress"
    REVIEW = "review"
    DONE = "done"
    CANCELLED = "cancelled"


class TaskCreated(Event, frozen=True, kw_only=True, tag="task.created.v1"):
    project: UUID
    title: str
    description: str = ""
    status: TaskStatus = TaskStatus.TODO
    priority: Priority = Priority.NORMAL
    assignee: UUID | None = None  # nobody: TaskAssigned follows
    due: date | None = None
    at: datetime


class TaskChanged(Event, frozen=True, kw_only=True, tag="task.changed.v1"):
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    due: date | UnsetType | None = UNSET


class TaskStatusChanged(Event, frozen=True, kw_only=True, tag="task.status_changed.v1"):
    status: TaskStatus
    was: TaskStatus


class TaskAssigned(Event, frozen=True, kw_only=True, tag="task.assigned.v1"):
    assignee: UUID | None
    was: UUID | None = None


class CommentAdded(Event, frozen=True, kw_only=True, tag="task.comment_added.v2"):
    """v1 had `text` and no mentions: see upcasts."""

    comment: UUID
    author: UUID
    body: str
    mentions: tuple[UUID, ...] = ()
    at: datetime


class CommentEdited(Event, frozen=True, kw_only=True, tag="task.comment_edited.v1"):
    comment: UUID
    body: str
    mentions: tuple[UUID, ...] = ()


class CommentRemoved(Event, frozen=True, kw_only=True, tag="task.comment_removed.v1"):
    comment: UUID


class CreateTask(Command, frozen=True, kw_only=True, tag="create_task"):
    project: UUID
    title: str
    description: str = ""
    status: TaskStatus = TaskStatus.TODO
    priority: Priority = Priority.NORMAL
    assignee: UUID | None = None
    due: date | None = None
    at: datetime


class ChangeTask(Command, frozen=True, kw_only=True, tag="change_task"):
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    due: date | UnsetType | None = UNSET


class ChangeTaskStatus(Command, frozen=True, kw_only=True, tag="change_task_status"):
    status: TaskStatus


class AssignTask(Command, frozen=True, kw_only=True, tag="assign_task"):
    assignee: UUID | None


class AddComment(Command, frozen=True, kw_only=True, tag="add_comment"):
    comment: UUID
    author: UUID
    body: str
    mentions: tuple[UUID, ...] = ()
    at: datetime


class EditComment(Command, frozen=True, kw_only=True, tag="edit_comment"):
    comment: UUID
    by: UUID
    moderator: bool = False
    body: str
    mentions: tuple[UUID, ...] = ()


class RemoveComment(Command, frozen=True, kw_only=True, tag="remove_comment"):
    comment: UUID
    by: UUID
    moderator: bool = False


TaskEvent: TypeAlias = (
    TaskCreated
    | TaskChanged
    | TaskStatusChanged
    | TaskAssigned
    | CommentAdded
    | CommentEdited
    | CommentRemoved
)
TaskCommand: TypeAlias = (
    CreateTask
    | ChangeTask
    | ChangeTaskStatus
    | AssignTask
    | AddComment
    | EditComment
    | RemoveComment
)


class Task(msgspec.Struct, frozen=True):
    project: UUID | None = None  # None: not created
    title: str = ""
    description: str = ""
    status: TaskStatus = TaskStatus.TODO
    priority: Priority = Priority.NORMAL
    due: date | None = None
    assignee: UUID | None = None
    authors: Mapping[UUID, UUID] = {}  # comment: its author


def decide(command: TaskCommand, task: Task) -> list[TaskEvent]:
    if isinstance(command, CreateTask):
        return _create(command, task)
    if task.project is None:
        raise NotFound("task.not_found")
    match command:
        case ChangeTask():
            return _change(command, task)
        case ChangeTaskStatus(status=status):
            return (
                [] if status is task.status else [TaskStatusChanged(status=status, was=task.status)]
            )
        case AssignTask(assignee=assignee):
            if assignee == task.assignee:
                return []
            return [TaskAssigned(assignee=assignee, was=task.assignee)]
        case AddComment():
            return _add_comment(command, task)
        case EditComment() | RemoveComment():
            return _change_comment(command, task)
        case _:
            assert_never(command)


def _change_comment(command: EditComment | RemoveComment, task: Task) -> list[TaskEvent]:
    comment = command.comment
    if isinstance(command, RemoveComment) and comment not in task.authors:
        return []
    _require_author(command, task)
    if isinstance(command, RemoveComment):
        return [CommentRemoved(comment=comment)]
    body, mentions = _body(command.body), _unique(command.mentions)
    return [CommentEdited(comment=comment, body=body, mentions=mentions)]


def _create(command: CreateTask, task: Task) -> list[TaskEvent]:
    """An assignment is one kind of event wherever it comes from."""
    if task.project is not None:
        raise WrongState("task.exists")
    created = TaskCreated(
        project=command.project,
        title=checked(command.title, "task.bad_title", MAX_TITLE),
        description=_description(command.description),
        status=command.status,
        priority=command.priority,
        due=command.due,
        at=command.at,
    )
    if command.assignee is None:
        return [created]
    return [created, TaskAssigned(assignee=command.assignee)]


def _change(command: ChangeTask, task: Task) -> list[TaskEvent]:
    title, description = command.title, command.description
    if title is not UNSET:
        title = checked(title, "task.bad_title", MAX_TITLE)
    if description is not UNSET:
        description = _description(description)
    changed = TaskChanged(
        title=UNSET if title == task.title else title,
        description=UNSET if description == task.description else description,
        priority=UNSET if command.priority is task.priority else command.priority,
        due=UNSET if command.due == task.due else command.due,
    )
    return [] if changed == TaskChanged() else [changed]


def _add_comment(command: AddComment, task: Task) -> list[TaskEvent]:
    if command.comment in task.authors:
        raise WrongState("task.comment_exists", comment=command.comment)
    if len(task.authors) >= MAX_COMMENTS:
        raise WrongState("task.too_many_comments", most=MAX_COMMENTS)
    return [
        CommentAdded(
            comment=command.comment,
            author=command.author,
            body=_body(command.body),
            mentions=_unique(command.mentions),
            at=command.at,
        )
    ]


def _require_author(command: EditComment | RemoveComment, task: Task) -> None:
    author = task.authors.get(command.comment)
    if author is None:
        raise NotFound("task.no_such_comment", comment=command.comment)
    if author != command.by and not command.moderator:
        raise NotAllowed("task.not_the_author", author=author)


def _body(text: str) -> str:
    return checked(text, "task.bad_body", MAX_BODY)


def _description(text: str) -> str:
    return checked(text, "task.bad_description", MAX_DESCRIPTION, least=0)


def _unique(mentions: tuple[UUID, ...]) -> tuple[UUID, ...]:
    unique = tuple(dict.fromkeys(mentions))
    if len(unique) > MAX_MENTIONS:
        raise Invalid("task.too_many_mentions", most=MAX_MENTIONS)
    return unique


def evolve(task: Task, event: TaskEvent) -> Task:
    match event:
        case TaskCreated():
            return Task(
                project=event.project,
                title=event.title,
                description=event.description,
                status=event.status,
                priority=event.priority,
                due=event.due,
                assignee=event.assignee,
            )
        case TaskChanged():
            given = {
                name: value
                for name in event.__struct_fields__
                if (value := getattr(event, name)) is not UNSET
            }
            return msgspec.structs.replace(task, **given)
        case TaskStatusChanged(status=status):
            return msgspec.structs.replace(task, status=status)
        case TaskAssigned(assignee=assignee):
            return msgspec.structs.replace(task, assignee=assignee)
        case CommentAdded(comment=comment, author=author):
            return msgspec.structs.replace(task, authors={**task.authors, comment: author})
        case CommentEdited():
            return task
        case CommentRemoved(comment=comment):
            authors = {key: author for key, author in task.authors.items() if key != comment}
            return msgspec.structs.replace(task, authors=authors)
        case _:
            assert_never(event)


TASK = Decider(
    name="task",
    initial=Task(),
    decide=decide,
    evolve=evolve,
    events=(
        TaskCreated,
        TaskChanged,
        TaskStatusChanged,
        TaskAssigned,
        CommentAdded,
        CommentEdited,
        CommentRemoved,
    ),
)
