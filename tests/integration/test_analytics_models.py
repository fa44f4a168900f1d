"""The read models of `analytics`: the same rows however the events come in batches."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg import sql

from domain.kernel import Event, Metadata, Recorded
from domain.lock import LockAcquired, LockExpired, LockReleased, LockRenewed, LockStolen
from domain.participation import Joined, LeaveReason, Left
from domain.priority import Priority
from domain.project import ProjectChanged, ProjectCreated, ProjectManagerChanged
from domain.task import (
    CommentAdded,
    TaskAssigned,
    TaskChanged,
    TaskCreated,
    TaskStatus,
    TaskStatusChanged,
)
from infra.db import Connection
from infra.runtime import Runtime
from projections import analytics_flow, analytics_heat, analytics_history, analytics_locks
from projections.apply import apply
from projections.generations import table_statement, use
from projections.model import Projection
from tests.projections.samples import ANN, BOB, C1, CONN, NODE, P1, T1, T2, at

MODELS: tuple[Projection[Any], ...] = (
    analytics_history.PROJECTION,
    analytics_flow.PROJECTION,
    analytics_heat.PROJECTION,
    analytics_locks.PROJECTION,
)
L1, S1 = UUID(int=51), UUID(int=61)
TODO, DOING, DONE = TaskStatus.TODO, TaskStatus.IN_PROGRESS, TaskStatus.DONE


def lock(holder: UUID) -> LockAcquired:
    return LockAcquired(
        project=P1, resource="plan", holder=holder, participation=S1, ttl_ms=5_000, expires=at(99)
    )


EVENTS: list[tuple[UUID, Event]] = [
    (P1, ProjectCreated(name="Bridge", manager=ANN, starts=date(2030, 1, 1), at=at(0))),
    (T1, TaskCreated(project=P1, title="Dig", due=date(2030, 2, 1), at=at(2))),
    (T1, TaskAssigned(assignee=BOB)),
    (T1, TaskStatusChanged(status=DOING, was=TODO)),
    (T1, TaskChanged(title="Dig deeper", due=None)),
    (T2, TaskCreated(project=P1, title="Fill", status=DONE, at=at(6))),
    (T1, CommentAdded(comment=C1, author=BOB, body="hi", mentions=(ANN, BOB), at=at(7))),
    (T1, TaskStatusChanged(status=DONE, was=DOING)),
    (T1, TaskStatusChanged(status=TODO, was=DONE)),
    (T1, TaskChanged(priority=Priority.HIGH)),
    (P1, ProjectChanged(name="Tunnel", starts=None)),
    (P1, ProjectManagerChanged(manager=BOB, was=ANN)),
    (T1, TaskAssigned(assignee=None, was=BOB)),
    (T1, TaskStatusChanged(status=DONE, was=TODO)),
    (S1, Joined(user=ANN, connection=CONN, room=f"project:{P1}", project=P1, node=NODE)),
    (L1, lock(ANN)),
    (L1, LockRenewed(resource="plan", expires=at(100))),
    (
        L1,
        LockStolen(
            project=P1,
            resource="plan",
            was=ANN,
            holder=BOB,
            participation=S1,
            reason="mine",
            ttl_ms=5_000,
            expires=at(101),
        ),
    ),
    (L1, LockReleased(resource="plan", by=BOB)),
    (L1, lock(ANN)),
    (L1, LockExpired(resource="plan", holder=ANN)),
    (L1, lock(BOB)),
    (S1, Left(user=ANN, room=f"project:{P1}", reason=LeaveReason.SAID)),
]


def log() -> list[Recorded[Event]]:
    versions: dict[UUID, int] = {}
    recorded: list[Recorded[Event]] = []
    for position, (stream, event) in enumerate(EVENTS, start=1):
        versions[stream] = versions.get(stream, 0) + 1
        meta = Metadata(actor=ANN, project_id=P1)
        one = Recorded(event, stream, versions[stream], position, at(position), meta)
        recorded.append(one)
    return recorded


Tables = dict[str, list[Any]]


async def tables(connection: Connection, size: int) -> Tables:
    """The rows of every table when the log comes in batches of that size."""
    schema = f"by_{size}"
    await connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    await use(connection, [schema])
    events, found = log(), dict[str, list[Any]]()
    for model in MODELS:
        for table in model.tables:
            await connection.execute(table_statement(schema, table))
        for start in range(0, len(events), size):
            await project(connection, model, events[start : start + size])
        for table in model.tables:
            query = sql.SQL("SELECT * FROM {} ORDER BY {}").format(
                sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.key))
            )
            found[table.name] = await (await connection.execute(query)).fetchall()
    return found


async def project(
    connection: Connection, model: Projection[Any], events: Sequence[Recorded[Event]]
) -> None:
    mine = [one for one in events if isinstance(one.event, model.events)]
    if mine:
        await apply(connection, model.project(mine))


@pytest.fixture
async def connection(runtime: Runtime) -> AsyncIterator[Connection]:
    async with runtime.db.connection() as one:
        yield one


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
async def test_batches_make_no_difference(connection: Connection, size: int) -> None:
    assert await tables(connection, size) == await tables(connection, 1_000)


async def test_what_the_rows_say(connection: Connection) -> None:
    found = await tables(connection, 4)
    spans = [row[1:5] for row in found["task_history"] if row[0] == T1]
    assert [version for version, *_ in spans] == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    ends = [start for _, _, start, _ in spans[1:]]
    assert [end for *_, end in spans] == [*ends, None]
    last = next(row for row in found["task_history"] if row[:2] == (T1, 10))
    assert last[5:] == (P1, "Dig deeper", "done", "high", None, None)
    assert [row[5] for row in found["project_history"]] == ["Bridge", "Tunnel", "Tunnel"]
    flow = {row[0]: row[2:] for row in found["task_flow"]}
    assert flow == {
        T1: ("done", at(2), at(4), at(14)),
        T2: ("done", at(6), at(6), at(6)),
    }
    assert [row[5] for row in found["task_moves"] if row[0] == T1] == [1, 0, -1, 1, -1]
    assert [row[5] for row in found["task_moves"] if row[0] == T2] == [0]
    ended = [(row[4], row[6] and row[6] - row[5], row[7]) for row in found["lock_holds"]]
    second = timedelta(seconds=1)
    assert ended == [
        (ANN, 2 * second, "stolen"),
        (BOB, second, "released"),
        (ANN, second, "expired"),
        (BOB, None, None),
    ]
    contacts = [(row[2], row[1], row[3]) for row in found["contacts"]]
    assert contacts == [
        (ANN, BOB, "assigned"),
        (BOB, ANN, "mentioned"),
        (BOB, ANN, "took_lock_from"),
    ]
    assert [row[1:4] for row in found["task_hands"]] == [(ANN, P1, 10), (ANN, P1, 1)]
    [stay] = found["stays"]
    assert stay[3:] == (ANN, at(15), at(23))
