"""task_flow and task_moves: when work came, began and was done."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from domain.kernel import Recorded
from domain.task import TaskCreated, TaskStatus, TaskStatusChanged
from projections.model import Insert, Projection, Row, Sql, Table, Write

TASK_FLOW = Table(
    name="task_flow",
    columns={
        "task": "uuid NOT NULL",
        "project": "uuid NOT NULL",
        "status": "text NOT NULL",
        "created_at": "timestamptz NOT NULL",
        "started_at": "timestamptz",
        "done_at": "timestamptz",
    },
    key=("task",),
    indexes=("(project, done_at)",),
)
TASK_MOVES = Table(
    name="task_moves",
    columns={
        "task": "uuid NOT NULL",
        "version": "bigint NOT NULL",
        "at": "timestamptz NOT NULL",
        "was": "text",
        "status": "text NOT NULL",
        "opened": "smallint NOT NULL",
    },
    key=("task", "version"),
    indexes=("(at)",),
)

CLOSED = {TaskStatus.DONE, TaskStatus.CANCELLED}
STARTED = {TaskStatus.IN_PROGRESS, TaskStatus.REVIEW, TaskStatus.DONE}

MOVE = """
UPDATE task_flow t
SET status = v.status, started_at = coalesce(t.started_at, v.started_at), done_at = v.done_at
FROM unnest(%(tasks)s::uuid[], %(statuses)s::text[], %(started)s::timestamptz[],
    %(done)s::timestamptz[]) v(task, status, started_at, done_at)
WHERE t.task = v.task
"""

FlowEvent: TypeAlias = TaskCreated | TaskStatusChanged


class Moved(msgspec.Struct):
    """Where a batch brought a task."""

    status: TaskStatus
    started_at: datetime | None = None
    done_at: datetime | None = None


def project(batch: Sequence[Recorded[FlowEvent]]) -> list[Write]:
    created: list[Row] = []
    moved: dict[UUID, Moved] = {}
    for one in batch:
        if isinstance(one.event, TaskCreated):
            created.append(_created(one.stream, one.event))
        _move(moved, one)
    return [
        Insert(TASK_FLOW, created),
        Insert(TASK_MOVES, [_row(one) for one in batch]),
        Sql(
            MOVE,
            {
                "tasks": list(moved),
                "statuses": [one.status.value for one in moved.values()],
                "started": [one.started_at for one in moved.values()],
                "done": [one.done_at for one in moved.values()],
            },
        ),
    ]


def _created(task: UUID, event: TaskCreated) -> Row:
    return {
        "task": task,
        "project": event.project,
        "status": event.status.value,
        "created_at": event.at,
        "started_at": None,
        "done_at": None,
    }


def _move(moved: dict[UUID, Moved], one: Recorded[FlowEvent]) -> None:
    """Started once and for all; done only as long as it is."""
    status, at = one.event.status, one.at
    now = moved.setdefault(one.stream, Moved(status))
    now.status = status
    if now.started_at is None and status in STARTED:
        now.started_at = at
    now.done_at = at if status is TaskStatus.DONE else None


def _row(one: Recorded[FlowEvent]) -> Row:
    was = one.event.was if isinstance(one.event, TaskStatusChanged) else None
    before = was is not None and was not in CLOSED
    return {
        "task": one.stream,
        "version": one.version,
        "at": one.at,
        "was": was.value if was else None,
        "status": one.event.status.value,
        "opened": (one.event.status not in CLOSED) - before,
    }


PROJECTION = Projection(
    name="analytics_flow",
    group="analytics",
    version=1,
    tables=(TASK_FLOW, TASK_MOVES),
    events=(TaskCreated, TaskStatusChanged),
    project=project,
)
