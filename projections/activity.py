"""activity: what happened in a project and what a person did, newest first."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET

from domain.activity import ACTIVITY as ACTIVITIES
from domain.activity import ActivityRecorded
from domain.client import CLIENT, ClientEvent
from domain.document import DOCUMENT, DocumentChanged, DocumentCreated, DocumentEvent
from domain.file import FILE, FileEvent
from domain.kernel import Recorded
from domain.project import PROJECT, ProjectEvent
from domain.task import TASK, CommentAdded, CommentEdited, CommentRemoved, TaskEvent
from infra.db import Connection
from projections.frames import public_type
from projections.model import Insert, Projection, Row, Table, Write
from projections.rows import NEWEST_POSITION, event_text, fetch_all, json_text

ActivityEvent: TypeAlias = (
    ProjectEvent | TaskEvent | DocumentEvent | FileEvent | ClientEvent | ActivityRecorded
)

ACTIVITY = Table(
    name="activity",
    columns={
        "position": "bigint NOT NULL",
        "project": "uuid",
        "actor": "uuid",
        "verb": "text NOT NULL",
        "subject": "uuid NOT NULL",
        "task": "uuid",
        "at": "timestamptz NOT NULL",
        "detail": "jsonb NOT NULL",
    },
    key=("position",),
    indexes=(
        "(project, position)",
        "(actor, position)",
        "(subject, position)",
    ),
)


class ActivityRow(msgspec.Struct, frozen=True):
    """Something done. `verb` is the event's type; `actor` is None for the system itself."""

    position: int
    project: UUID | None
    actor: UUID | None
    verb: str
    subject: UUID
    task: UUID | None
    at: datetime
    detail: dict[str, object]


def project(batch: Sequence[Recorded[ActivityEvent]]) -> list[Write]:
    """Rests on the checkpoint."""
    return [Insert(ACTIVITY, [_row(recorded) for recorded in batch])]


def _row(recorded: Recorded[ActivityEvent]) -> Row:
    event = recorded.event
    return {
        "position": recorded.position,
        "project": recorded.stream
        if isinstance(event, PROJECT.events)
        else recorded.meta.project_id,
        "actor": recorded.meta.actor,
        "verb": public_type(type(event)),
        "subject": recorded.stream,
        "task": recorded.stream if isinstance(event, TASK.events) else None,
        "at": recorded.at,
        "detail": _detail(event),
    }


def _detail(event: ActivityEvent) -> str:
    match event:
        case CommentAdded() | CommentEdited() | CommentRemoved():
            # What a comment says is in `comments` alone, and goes from there when it is removed.
            return json_text({"comment": event.comment})
        case DocumentCreated() | DocumentChanged():
            # So with what a document says: which fields, but not their texts.
            fields = msgspec.structs.asdict(event) | {"fields": sorted(event.fields)}
            return json_text({name: value for name, value in fields.items() if value is not UNSET})
        case _:
            return event_text(event)


async def activity_of_project(
    db: Connection, project: UUID, after: int | None = None, limit: int = 50
) -> list[ActivityRow]:
    """What happened in a project, newest first, by position."""
    return await fetch_all(
        db,
        ActivityRow,
        "SELECT position, project, actor, verb, subject, task, at, detail FROM activity"
        " WHERE project = %(project)s AND position < %(after)s"
        " ORDER BY position DESC LIMIT %(limit)s",
        {
            "project": project,
            "after": NEWEST_POSITION if after is None else after,
            "limit": limit,
        },
    )


async def activity_of_user(
    db: Connection, user: UUID, after: int | None = None, limit: int = 50
) -> list[ActivityRow]:
    """What a person did, newest first, by position."""
    return await fetch_all(
        db,
        ActivityRow,
        "SELECT position, project, actor, verb, subject, task, at, detail FROM activity"
        " WHERE actor = %(user)s AND position < %(after)s"
        " ORDER BY position DESC LIMIT %(limit)s",
        {"user": user, "after": NEWEST_POSITION if after is None else after, "limit": limit},
    )


PROJECTION = Projection(
    name="activity",
    group="queries",
    version=4,
    tables=(ACTIVITY,),
    events=(
        *PROJECT.events,
        *TASK.events,
        *DOCUMENT.events,
        *FILE.events,
        *CLIENT.events,
        *ACTIVITIES.events,
    ),
    project=project,
)
