"""A project as it was: the read models' own `project`, applied to tables in memory."""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

import msgspec

from domain.kernel import Event, Recorded
from domain.task import CommentAdded, CommentRemoved
from projections import documents, locks, members, projects, tasks
from projections.documents import DOCUMENTS, DocumentItem
from projections.locks import LOCK_WAITERS, LOCKS, LockRow, WaiterRow
from projections.members import MEMBERS, MemberRow
from projections.model import Delete, Insert, Row, Table, Upsert, Write
from projections.projects import PROJECT_MEMBERS, PROJECTS, ProjectMemberRow, ProjectRow
from projections.tasks import TASKS, TaskRow

# A read model joins the replay here, with its rows in Then and ROWS.
MODELS = (
    projects.PROJECTION,
    tasks.PROJECTION,
    documents.PROJECTION,
    locks.PROJECTION,
    members.PROJECTION,
)
ROWS: Mapping[str, type[msgspec.Struct]] = {
    PROJECTS.name: ProjectRow,
    PROJECT_MEMBERS.name: ProjectMemberRow,
    MEMBERS.name: MemberRow,
    LOCKS.name: LockRow,
    LOCK_WAITERS.name: WaiterRow,
    TASKS.name: TaskRow,
    DOCUMENTS.name: DocumentItem,
}

Key = tuple[object, ...]


class Then(msgspec.Struct, frozen=True):
    """A project's rows, as its read tables would have held them; each list by its key."""

    projects: list[ProjectRow] = []
    project_members: list[ProjectMemberRow] = []
    members: list[MemberRow] = []  # who is in the rooms
    locks: list[LockRow] = []  # without their queues
    lock_waiters: list[WaiterRow] = []
    tasks: list[TaskRow] = []
    documents: list[DocumentItem] = []  # what one said is its version's: keyframes stay small


class Fold:
    """Tables in memory: give it a project's events in their order, and take what they add up to."""

    def __init__(self, then: Then | None = None) -> None:
        self._tables: dict[str, dict[Key, msgspec.Struct]] = {name: {} for name in ROWS}
        if then is not None:
            for table in TABLES:
                rows: list[msgspec.Struct] = getattr(then, table.name)
                self._tables[table.name] = {_key(table, row): row for row in rows}

    def add(self, batch: Sequence[Recorded[Event]]) -> None:
        for model in MODELS:
            handled = [one for one in batch if isinstance(one.event, model.events)]
            for write in model.project(handled) if handled else ():
                self._apply(write)
        self._count_comments(batch)

    def then(self) -> Then:
        return Then(**{name: _sorted(rows) for name, rows in self._tables.items()})

    def _apply(self, write: Write) -> None:
        """As projections.apply does it in SQL. Pushes and what is not replayed are passed over."""
        match write:
            case Insert(table=table, rows=rows) | Upsert(table=table, rows=rows):
                if table.name in self._tables:
                    for row in rows:
                        self._put(table, row)
            case Delete(table=table, keys=keys, columns=columns):
                if table.name in self._tables:
                    self._delete(table, keys, columns or table.key)
            case _:
                return

    def _put(self, table: Table, row: Row) -> None:
        """A whole row is there from now on; a partial one changes one that is there."""
        rows, key = self._tables[table.name], tuple(row[name] for name in table.key)
        if len(row) == len(table.columns):
            rows[key] = ROWS[table.name](**row)
        elif key in rows:
            rows[key] = msgspec.structs.replace(rows[key], **row)

    def _delete(self, table: Table, keys: Sequence[Key], columns: tuple[str, ...]) -> None:
        rows = self._tables[table.name]
        if columns == table.key:
            for key in keys:
                rows.pop(key, None)
            return
        gone = set(keys)
        for key, row in list(rows.items()):
            if tuple(getattr(row, name) for name in columns) in gone:
                del rows[key]

    def _count_comments(self, batch: Sequence[Recorded[Event]]) -> None:
        """What COUNT_COMMENTS does: each comment comes once and goes once."""
        rows = self._tables[TASKS.name]
        for one in batch:
            if isinstance(one.event, CommentAdded | CommentRemoved):
                task = rows.get((one.stream,))
                if isinstance(task, TaskRow):
                    change = 1 if isinstance(one.event, CommentAdded) else -1
                    rows[one.stream,] = msgspec.structs.replace(
                        task, comments=task.comments + change
                    )


TABLES = tuple(table for model in MODELS for table in model.tables if table.name in ROWS)


def _key(table: Table, row: msgspec.Struct) -> Key:
    return tuple(getattr(row, name) for name in table.key)


def _sorted(rows: dict[Key, Any]) -> list[Any]:
    return [rows[key] for key in sorted(rows, key=_place)]


def _place(key: Key) -> list[int]:
    """Keys are ids alone; by their numbers they sort as in Postgres, and fast."""
    return [cast(UUID, part).int for part in key]
