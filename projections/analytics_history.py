"""task_history and project_history: what each was, from when until when."""

from collections.abc import Sequence
from typing import TypeAlias, cast
from uuid import UUID

import msgspec
from msgspec import UNSET

from domain.kernel import Event, Recorded
from domain.project import (
    PROJECT,
    ProjectChanged,
    ProjectCreated,
    ProjectEvent,
    ProjectManagerChanged,
    ProjectStatus,
    ProjectStatusChanged,
)
from domain.task import (
    TASK,
    TaskAssigned,
    TaskChanged,
    TaskCreated,
    TaskEvent,
    TaskStatusChanged,
)
from projections.apply import sql_type
from projections.model import Projection, Row, Sql, Table, Write
from projections.rows import json_text

SPAN = {
    "version": "bigint NOT NULL",
    "position": "bigint NOT NULL",
    "valid_from": "timestamptz NOT NULL",
    "valid_to": "timestamptz",
}
TASK_STATE = {
    "project": "uuid NOT NULL",
    "title": "text NOT NULL",
    "status": "text NOT NULL",
    "priority": "text NOT NULL",
    "assignee": "uuid",
    "due": "date",
}
PROJECT_STATE = {
    "name": "text NOT NULL",
    "type": "text NOT NULL",
    "status": "text NOT NULL",
    "priority": "text NOT NULL",
    "client": "uuid",
    "manager": "uuid NOT NULL",
    "starts": "date",
    "ends": "date",
}
TASK_HISTORY = Table(
    name="task_history",
    columns={"task": "uuid NOT NULL", **SPAN, **TASK_STATE},
    key=("task", "version"),
    indexes=(
        "(task) WHERE valid_to IS NULL",
        "(assignee) WHERE valid_to IS NULL",
        "(project, valid_from)",
    ),
)
PROJECT_HISTORY = Table(
    name="project_history",
    columns={"project": "uuid NOT NULL", **SPAN, **PROJECT_STATE},
    key=("project", "version"),
    indexes=(
        "(project) WHERE valid_to IS NULL",
        "(client) WHERE valid_to IS NULL",
        "(manager) WHERE valid_to IS NULL",
    ),
)

HistoryEvent: TypeAlias = TaskEvent | ProjectEvent


class History(msgspec.Struct, frozen=True):
    """How a table of spans is written: rows are added, and the open one is closed by the next."""

    table: Table
    add: str
    close: str


def _history(table: Table, state: dict[str, str]) -> History:
    """What an event leaves out is as in the row that was open before the batch."""
    key = table.key[0]
    carried = ", ".join(
        f"CASE WHEN v.change ? '{name}' THEN (v.change->>'{name}')::{sql_type(kind)}"
        f" ELSE o.{name} END"
        for name, kind in state.items()
    )
    spans = ", ".join(SPAN)
    rows = (  # one JSON text: arrays cost the client many times as much
        "jsonb_to_recordset(%(rows)s::jsonb) v(key uuid, version bigint, position bigint,"
        " valid_from timestamptz, valid_to timestamptz, whole boolean, change jsonb)"
    )
    before = (  # by the primary key: in a generation that is being built there is no other index
        f"(SELECT p.ctid, p.* FROM {table.name} p"  # noqa: S608, our names
        f" WHERE p.{key} = v.key AND p.version < v.version ORDER BY p.version DESC LIMIT 1)"
    )
    return History(
        table,
        add=f"INSERT INTO {table.name} ({key}, {spans}, {', '.join(state)})"  # noqa: S608, our names
        f" SELECT v.key, {', '.join(f'v.{name}' for name in SPAN)}, {carried}"
        f" FROM {rows} LEFT JOIN LATERAL {before} o ON true"
        f" WHERE v.whole OR o.{key} IS NOT NULL",
        close=f"UPDATE {table.name} o SET valid_to = v.valid_from"  # noqa: S608, our names
        f" FROM {rows} CROSS JOIN LATERAL {before} b WHERE o.ctid = b.ctid",
    )


TASKS, PROJECTS = (
    _history(TASK_HISTORY, TASK_STATE),
    _history(PROJECT_HISTORY, PROJECT_STATE),
)


def project(batch: Sequence[Recorded[HistoryEvent]]) -> list[Write]:
    tasks = [one for one in batch if isinstance(one.event, TASK.events)]
    projects = [one for one in batch if isinstance(one.event, PROJECT.events)]
    return _spans(TASKS, tasks) + _spans(PROJECTS, projects)


def _spans(history: History, batch: Sequence[Recorded[HistoryEvent]]) -> list[Write]:
    """A row for each event that changes something, with all that the batch knows by then."""
    rows: list[Row] = []
    first: dict[UUID, Row] = {}
    last: dict[UUID, Row] = {}
    for one in batch:
        changes = _changes(one.event)
        if not changes:
            continue
        row: Row = {
            "key": one.stream,
            "version": one.version,
            "position": one.position,
            "valid_from": one.at,
            "valid_to": None,
            "whole": isinstance(one.event, TaskCreated | ProjectCreated),
            "change": changes,
        }
        if one.stream in last:
            before = last[one.stream]
            before["valid_to"] = one.at
            row["whole"] = before["whole"] or row["whole"]
            row["change"] = cast(Row, before["change"]) | changes
        first.setdefault(one.stream, row)
        last[one.stream] = row
        rows.append(row)
    if not rows:
        return []
    return [
        Sql(history.add, {"rows": json_text(rows)}),
        Sql(history.close, {"rows": json_text(list(first.values()))}),
    ]


def _changes(event: Event) -> dict[str, object]:
    """By column; comments and members change none."""
    match event:
        case TaskCreated():
            return _picked(event, TASK_STATE)
        case ProjectCreated():
            return {**_picked(event, PROJECT_STATE), "status": ProjectStatus.PLANNING}
        case TaskChanged():
            return _picked(event, TASK_STATE)
        case ProjectChanged():
            return _picked(event, PROJECT_STATE)
        case TaskStatusChanged(status=status) | ProjectStatusChanged(status=status):
            return {"status": status}
        case TaskAssigned(assignee=assignee):
            return {"assignee": assignee}
        case ProjectManagerChanged(manager=manager):
            return {"manager": manager}
        case _:
            return {}


def _picked(event: Event, state: dict[str, str]) -> dict[str, object]:
    fields = msgspec.structs.asdict(event)
    return {name: fields[name] for name in state if fields.get(name, UNSET) is not UNSET}


PROJECTION = Projection(
    name="analytics_history",
    group="analytics",
    version=2,
    tables=(TASK_HISTORY, PROJECT_HISTORY),
    events=(*TASK.events, *PROJECT.events),
    project=project,
)
