"""tasks and comments: what is to be done, and what was said about it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import LiteralString, assert_never
from uuid import UUID

import msgspec

from domain.kernel import Recorded
from domain.priority import Priority
from domain.task import (
    TASK,
    CommentAdded,
    CommentEdited,
    CommentRemoved,
    TaskAssigned,
    TaskChanged,
    TaskCreated,
    TaskEvent,
    TaskStatus,
    TaskStatusChanged,
)
from infra.db import Connection
from projections.filters import given, prefixes
from projections.model import Projection, Rows, Sql, Table, Write
from projections.rows import NEWEST, Source, fetch_all, fetch_named, fetch_one, json_text

WORDS: LiteralString = (
    "to_tsvector('simple', translate(title || ' ' || description, '@.-_+/', '      '))"
)
TASKS = Table(
    name="tasks",
    columns={
        "id": "uuid NOT NULL",
        "project": "uuid NOT NULL",
        "title": "text NOT NULL",
        "description": "text NOT NULL",
        "status": "text NOT NULL",
        "priority": "text NOT NULL",
        "assignee": "uuid",
        "due": "date",
        "created_at": "timestamptz NOT NULL",
        "comments": "integer NOT NULL",
        "version": "bigint NOT NULL",
        "position": "bigint NOT NULL",
    },
    key=("id",),
    indexes=(
        "(created_at, id)",
        "(project, created_at, id)",
        "(project, status, created_at, id)",
        "(assignee, created_at, id) WHERE assignee IS NOT NULL",
        "(assignee, status, created_at, id) WHERE assignee IS NOT NULL",
        "(status, created_at, id)",
        "(priority, created_at, id)",
        "(due) WHERE due IS NOT NULL",
        f"USING gin ({WORDS})",
    ),
)
COMMENTS = Table(
    name="comments",
    columns={
        "id": "uuid NOT NULL",
        "task": "uuid NOT NULL",
        "project": "uuid",
        "author": "uuid NOT NULL",
        "body": "text NOT NULL",
        "mentions": "jsonb NOT NULL",
        "created_at": "timestamptz NOT NULL",
        "edited_at": "timestamptz",
        "position": "bigint NOT NULL",
    },
    key=("task", "id"),
    indexes=(
        "(task, position)",
        "(project, position) WHERE project IS NOT NULL",
        "(author, position)",
    ),
)

# Among one task's comments only, which another index finds.
SAID: dict[str, LiteralString] = {
    "search": "to_tsvector('simple', translate(body, '@.-_+/', '      '))"
    " @@ to_tsquery('simple', %(search)s)",
}

# Counted, not added up: the same batch twice gives the same number.
COUNT_COMMENTS = """
UPDATE tasks SET comments = (SELECT count(*) FROM comments c WHERE c.task = tasks.id)
WHERE id = ANY(%(tasks)s::uuid[])
"""

SELECT: LiteralString = (
    "SELECT id, project, title, description, status, priority, assignee, due, created_at,"
    " comments, version, position FROM tasks"
)
FILTERS: dict[str, LiteralString] = {
    "project": "project = %(project)s",
    "assignee": "assignee = %(assignee)s",
    "status": "status = %(status)s",
    "priority": "priority = %(priority)s",
    "due_before": "due < %(due_before)s",
    "due_after": "due > %(due_after)s",
    "member": "project IN (SELECT m.project FROM project_members m WHERE m.user_id = %(member)s)",
    "search": WORDS + " @@ to_tsquery('simple', %(search)s)",
}


class TaskRow(msgspec.Struct, frozen=True):
    """A task. `version` is the stream's, `position` that of its last event."""

    id: UUID
    project: UUID
    title: str
    description: str
    status: str
    priority: str
    assignee: UUID | None
    due: date | None
    created_at: datetime
    comments: int
    version: int
    position: int


class CommentRow(msgspec.Struct, frozen=True):
    """A comment as it reads now. `position` is where it was added, `mentions` are users' ids."""

    id: UUID
    task: UUID
    project: UUID | None
    author: UUID
    body: str
    mentions: list[str]
    created_at: datetime
    edited_at: datetime | None
    position: int


def project(batch: Sequence[Recorded[TaskEvent]]) -> list[Write]:
    tasks, comments = Rows(TASKS), Rows(COMMENTS)
    counted: dict[UUID, None] = {}
    for recorded in batch:
        tasks.put(
            id=recorded.stream,
            version=recorded.version,
            position=recorded.position,
            **_changes(recorded.event),
        )
        _comment(comments, recorded)
        if isinstance(recorded.event, TaskCreated | CommentAdded | CommentRemoved):
            counted[recorded.stream] = None
    writes = tasks.writes() + comments.writes()
    return [*writes, Sql(COUNT_COMMENTS, {"tasks": list(counted)})] if counted else writes


def _changes(event: TaskEvent) -> dict[str, object]:
    match event:
        case TaskCreated():
            return {
                "project": event.project,
                "title": event.title,
                "description": event.description,
                "status": event.status.value,
                "priority": event.priority.value,
                "assignee": None,
                "due": event.due,
                "created_at": event.at,
                "comments": 0,
            }
        case TaskChanged():
            return msgspec.structs.asdict(event)
        case TaskStatusChanged(status=status):
            return {"status": status.value}
        case TaskAssigned(assignee=assignee):
            return {"assignee": assignee}
        case CommentAdded() | CommentEdited() | CommentRemoved():
            return {}
        case _:
            assert_never(event)


def _comment(rows: Rows, recorded: Recorded[TaskEvent]) -> None:
    match recorded.event:
        case CommentAdded() as event:
            rows.put(
                id=event.comment,
                task=recorded.stream,
                project=recorded.meta.project_id,
                author=event.author,
                body=event.body,
                mentions=json_text(event.mentions),
                created_at=event.at,
                edited_at=None,
                position=recorded.position,
            )
        case CommentEdited(comment=comment, body=body, mentions=mentions):
            rows.put(
                id=comment,
                task=recorded.stream,
                body=body,
                mentions=json_text(mentions),
                edited_at=recorded.at,
            )
        case CommentRemoved(comment=comment):
            rows.delete(recorded.stream, comment)
        case _:
            return


async def get_task(db: Connection, task: UUID) -> TaskRow | None:
    return await fetch_one(db, TaskRow, f"{SELECT} WHERE id = %(id)s", {"id": task})


async def get_tasks(db: Connection, tasks: Sequence[UUID]) -> list[TaskRow]:
    """Those that there are, in no order."""
    return await fetch_named(db, TaskRow, f"{SELECT} WHERE id = ANY(%(ids)s)", tasks)


async def list_tasks(
    db: Connection | Source,
    *,
    project: UUID | None = None,
    assignee: UUID | None = None,
    status: TaskStatus | None = None,
    priority: Priority | None = None,
    due_before: date | None = None,
    due_after: date | None = None,
    member: UUID | None = None,
    search: str | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[TaskRow]:
    """Tasks, newest first; (created_at, id) is the key to go on `after`.

    The days of `due_before` and `due_after` are not in the range. `member`: those of the
    projects that this person is a member of. `search`: the beginnings of words in titles and
    descriptions, whatever their case.
    """
    created_at, last = after or NEWEST
    values: dict[str, object] = {
        "project": project,
        "assignee": assignee,
        "status": status,
        "priority": priority,
        "due_before": due_before,
        "due_after": due_after,
        "member": member,
        "search": prefixes(search),
        "created_at": created_at,
        "last": last,
        "limit": limit,
    }
    return await fetch_all(
        db,
        TaskRow,
        f"{SELECT} WHERE (created_at, id) < (%(created_at)s, %(last)s){given(FILTERS, values)}"
        " ORDER BY created_at DESC, id DESC LIMIT %(limit)s",
        values,
    )


async def comments_of(
    db: Connection,
    task: UUID,
    after: int | None = None,
    limit: int = 50,
    *,
    search: str | None = None,
) -> list[CommentRow]:
    """A task's comments, oldest first, by position; those with words that begin like `search`."""
    values: dict[str, object] = {
        "task": task,
        "after": after or 0,
        "limit": limit,
        "search": prefixes(search),
    }
    return await fetch_all(
        db,
        CommentRow,
        "SELECT id, task, project, author, body, mentions, created_at, edited_at, position"  # noqa: S608
        f" FROM comments WHERE task = %(task)s AND position > %(after)s{given(SAID, values)}"
        " ORDER BY position LIMIT %(limit)s",
        values,
    )


PROJECTION = Projection(
    name="tasks",
    group="queries",
    version=2,
    tables=(TASKS, COMMENTS),
    events=TASK.events,
    project=project,
)
