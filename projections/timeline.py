"""timeline: which durable events are a project's, in the order of the log. Replay reads by it."""

from collections.abc import Mapping, Sequence
from typing import LiteralString, TypeAlias
from uuid import UUID

from psycopg.rows import args_row

from domain.activity import ACTIVITY, ActivityRecorded
from domain.document import DOCUMENT, DocumentCreated, DocumentEvent
from domain.file import FILE, FileEvent
from domain.kernel import Event, Recorded
from domain.lock import LOCK, LockAcquired, LockEvent, LockGranted, LockQueued, LockStolen
from domain.participation import PARTICIPATION, Joined, ParticipationEvent
from domain.project import PROJECT, ProjectEvent
from domain.reaction import REACTION, ReactionEvent
from domain.task import TASK, TaskCreated, TaskEvent
from infra.db import Connection
from infra.eventstore.reader import Row as LogRow
from infra.eventstore.reader import recorded as decoded
from projections.model import Insert, Projection, Row, Rows, Sql, Table, Write

TimelineEvent: TypeAlias = (
    ProjectEvent
    | TaskEvent
    | ReactionEvent
    | DocumentEvent
    | FileEvent
    | LockEvent
    | ParticipationEvent
    | ActivityRecorded
)

TIMELINE = Table(
    name="timeline",
    columns={"project": "uuid NOT NULL", "position": "bigint NOT NULL"},
    key=("project", "position"),
)
STREAMS = Table(
    name="timeline_streams",
    columns={"stream": "uuid NOT NULL", "project": "uuid NOT NULL"},
    key=("stream",),
)

# Events that say nothing of their project are of their stream's.
BY_STREAM = """
INSERT INTO timeline (project, position)
SELECT s.project, v.position
FROM unnest(%(streams)s::uuid[], %(positions)s::bigint[]) v (stream, position)
JOIN timeline_streams s ON s.stream = v.stream
"""

# The events' bytes are the log's: the timeline only says where they are.
EVENTS = """
SELECT e.notification_id AS position, e.originator_id AS stream, e.originator_version AS version,
    e.topic AS tag, e.state, e.metadata, e.recorded_at, NULL::uuid AS actor, NULL::uuid AS project
FROM (
    SELECT t.position FROM timeline t
    WHERE t.project = %(project)s AND t.position > %(after)s AND t.position <= %(upto)s
    ORDER BY t.position LIMIT %(limit)s
) t JOIN formula_events e ON e.notification_id = t.position
ORDER BY e.notification_id
"""
NEWEST = """
SELECT e.notification_id AS position, e.originator_id AS stream, e.originator_version AS version,
    e.topic AS tag, e.state, e.metadata, e.recorded_at, NULL::uuid AS actor, NULL::uuid AS project
FROM (
    SELECT t.position FROM timeline t
    WHERE t.project = %(project)s AND t.position <= %(upto)s
    ORDER BY t.position DESC LIMIT %(limit)s
) t JOIN formula_events e ON e.notification_id = t.position
ORDER BY e.notification_id
"""
NEXT = """
SELECT position FROM timeline WHERE project = %(project)s AND position > %(after)s
ORDER BY position LIMIT 1
"""


def project(batch: Sequence[Recorded[TimelineEvent]]) -> list[Write]:
    """Rests on the checkpoint."""
    rows: list[Row] = []
    streams, unsaid = Rows(STREAMS), list[Recorded[TimelineEvent]]()
    for recorded in batch:
        found = _project(recorded)
        if found is None:
            unsaid.append(recorded)
            continue
        rows.append({"project": found, "position": recorded.position})
        if isinstance(recorded.event, TaskCreated | DocumentCreated | LockAcquired | Joined):
            streams.put(stream=recorded.stream, project=found)
    writes = [Insert(TIMELINE, rows), *streams.writes()] if rows else []
    return [*writes, _by_stream(unsaid)] if unsaid else writes


def _project(recorded: Recorded[TimelineEvent]) -> UUID | None:
    match recorded.event:
        case TaskCreated(project=project) | DocumentCreated(project=project):
            return project
        case LockAcquired(project=project):
            return project
        case LockStolen(project=project) | LockQueued(project=project):
            return project
        case LockGranted(project=project) | Joined(project=project):
            return project
        case event if isinstance(event, PROJECT.events):
            return recorded.stream
        case _:
            return recorded.meta.project_id


def _by_stream(unsaid: Sequence[Recorded[TimelineEvent]]) -> Sql:
    values: dict[str, object] = {
        "streams": [recorded.stream for recorded in unsaid],
        "positions": [recorded.position for recorded in unsaid],
    }
    return Sql(BY_STREAM, values)


async def events_of(
    db: Connection, project: UUID, after: int, upto: int, limit: int
) -> list[Recorded[Event]]:
    """A project's durable events above `after` and not above `upto`, oldest first."""
    values = {"project": project, "after": after, "upto": upto, "limit": limit}
    return await _events(db, EVENTS, values)


async def newest_of(db: Connection, project: UUID, upto: int, limit: int) -> list[Recorded[Event]]:
    """A project's newest durable events not above `upto`, oldest first."""
    return await _events(db, NEWEST, {"project": project, "upto": upto, "limit": limit})


async def next_of(db: Connection, project: UUID, after: int) -> int | None:
    """The position of a project's first durable event above `after`."""
    values = {"project": project, "after": after}
    row = await (await db.execute(NEXT, values, prepare=True)).fetchone()
    return None if row is None else int(row[0])


async def _events(
    db: Connection, statement: LiteralString, values: Mapping[str, object]
) -> list[Recorded[Event]]:
    async with db.cursor(binary=True, row_factory=args_row(LogRow)) as cursor:
        await cursor.execute(statement, values, prepare=True)
        return [decoded(row) for row in await cursor.fetchall()]


PROJECTION = Projection(
    name="timeline",
    group="audit",
    version=3,
    tables=(TIMELINE, STREAMS),
    events=(
        *PROJECT.events,
        *TASK.events,
        *REACTION.events,
        *DOCUMENT.events,
        *FILE.events,
        *LOCK.events,
        *PARTICIPATION.events,
        *ACTIVITY.events,
    ),
    project=project,
)
