"""stays, contacts and task_hands: who works with whom, and where."""

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

from domain.kernel import Recorded
from domain.lock import LockStolen
from domain.participation import Joined, Left
from domain.task import TASK, CommentAdded, TaskAssigned, TaskEvent
from projections.model import Insert, Projection, Row, Rows, Sql, Table, Write

STAYS = Table(
    name="stays",
    columns={
        "participation": "uuid NOT NULL",
        "room": "text NOT NULL",
        "project": "uuid",
        "person": "uuid NOT NULL",
        "joined_at": "timestamptz NOT NULL",
        "left_at": "timestamptz",
    },
    key=("participation",),
    indexes=("(room, joined_at)", "(project, joined_at)", "(person, joined_at)"),
)
CONTACTS = Table(
    name="contacts",
    columns={
        "position": "bigint NOT NULL",
        "other": "uuid NOT NULL",
        "person": "uuid NOT NULL",
        "kind": "text NOT NULL",
        "project": "uuid",
        "subject": "uuid NOT NULL",
        "at": "timestamptz NOT NULL",
    },
    key=("position", "other"),
    indexes=("(project, person)", "(person, at)", "(other, at)", "(subject, at)"),
)
TASK_HANDS = Table(
    name="task_hands",
    columns={
        "task": "uuid NOT NULL",
        "person": "uuid NOT NULL",
        "project": "uuid",
        "times": "bigint NOT NULL",
        "last_at": "timestamptz NOT NULL",
    },
    key=("task", "person"),
    indexes=("(project, task)", "(person, last_at)"),
)

# Added up: rests on the checkpoint.
TOUCH = """
INSERT INTO task_hands AS t (task, person, project, times, last_at)
SELECT task, person, (array_agg(project))[1], count(*), max(at)
FROM unnest(%(tasks)s::uuid[], %(people)s::uuid[], %(projects)s::uuid[], %(ats)s::timestamptz[])
    v(task, person, project, at)
GROUP BY task, person
ON CONFLICT (task, person) DO UPDATE
SET times = t.times + excluded.times, last_at = greatest(t.last_at, excluded.last_at)
"""

HeatEvent: TypeAlias = Joined | Left | TaskEvent | LockStolen


def project(batch: Sequence[Recorded[HeatEvent]]) -> list[Write]:
    stays = Rows(STAYS)
    contacts: list[Row] = []
    for one in batch:
        _stay(stays, one)
        contacts.extend(_contacts(one))
    return [*stays.writes(), Insert(CONTACTS, contacts), *_touches(batch)]


def _stay(rows: Rows, one: Recorded[HeatEvent]) -> None:
    match one.event:
        case Joined(room=room, project=project, user=user):
            rows.put(
                participation=one.stream,
                room=room,
                project=project,
                person=user,
                joined_at=one.at,
                left_at=None,
            )
        case Left():
            rows.put(participation=one.stream, left_at=one.at)
        case _:
            return


def _contacts(one: Recorded[HeatEvent]) -> list[Row]:
    """What somebody did that was about somebody else."""
    match one.event:
        case CommentAdded(author=author, mentions=mentions):
            person, kind, others = author, "mentioned", set(mentions)
        case TaskAssigned(assignee=assignee):
            person, kind, others = one.meta.actor, "assigned", {assignee}
        case LockStolen(holder=holder, was=was):
            person, kind, others = holder, "took_lock_from", {was}
        case _:
            return []
    if person is None:
        return []
    return [
        {
            "position": one.position,
            "other": other,
            "person": person,
            "kind": kind,
            "project": one.meta.project_id,
            "subject": one.stream,
            "at": one.at,
        }
        for other in sorted(other for other in others if other not in (None, person))
    ]


def _touches(batch: Sequence[Recorded[HeatEvent]]) -> list[Write]:
    hands: list[tuple[Recorded[HeatEvent], UUID]] = [
        (one, one.meta.actor)
        for one in batch
        if isinstance(one.event, TASK.events) and one.meta.actor is not None
    ]
    if not hands:
        return []
    values: dict[str, object] = {
        "tasks": [one.stream for one, _ in hands],
        "people": [actor for _, actor in hands],
        "projects": [one.meta.project_id for one, _ in hands],
        "ats": [one.at for one, _ in hands],
    }
    return [Sql(TOUCH, values)]


PROJECTION = Projection(
    name="analytics_heat",
    group="analytics",
    version=2,
    tables=(STAYS, CONTACTS, TASK_HANDS),
    events=(Joined, Left, *TASK.events, LockStolen),
    project=project,
)
