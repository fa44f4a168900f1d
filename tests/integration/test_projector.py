"""The projector over real Postgres: order, leases, fencing, dead letters, rebuild = live."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from psycopg import sql

from domain.activity import ACTIVITY, ActivityRecorded, RecordActivity
from domain.kernel import Recorded
from domain.lock import LOCK, AcquireLock, lock_stream
from domain.participation import PARTICIPATION, Join, Leave, LeaveReason, SetStatus
from domain.project import PROJECT, AddMember, ChangeProject, CreateProject, ProjectRole
from domain.task import TASK, AddComment, ChangeTask, CreateTask, RemoveComment
from domain.user import USER, ChangeProfile, RegisterUser, Role
from infra.eventstore.codec import UnknownTag
from infra.runtime import SYSTEM, Origin, Runtime
from projections import generations
from projections.building import fill
from projections.generations import SHADOW, use
from projections.model import Insert, Projection, Row, Table, Write
from projections.projector import Group, Leader, grouped, run_groups, shared
from projections.read import reading, wait_for
from projections.registry import PROJECTIONS
from projections.step import Deposed

WAIT_S = 15.0

SEEN = Table(
    name="seen",
    columns={"position": "bigint NOT NULL", "stream": "uuid NOT NULL", "kind": "text NOT NULL"},
    key=("position",),
)


def project_seen(batch: Sequence[Recorded[ActivityRecorded]]) -> list[Write]:
    for recorded in batch:
        if recorded.event.kind == "poison":
            raise ZeroDivisionError("this event cannot be projected")
    rows: list[Row] = [
        {"position": one.position, "stream": one.stream, "kind": one.event.kind} for one in batch
    ]
    return [Insert(SEEN, rows)]


def seen_group(name: str) -> Group:
    return Group(
        name,
        (
            Projection(
                name="seen",
                group=name,
                version=1,
                tables=(SEEN,),
                events=(ActivityRecorded,),
                project=project_seen,
            ),
        ),
    )


async def act(runtime: Runtime, stream: UUID, kind: str) -> int:
    room = f"project:{UUID(int=1)}"
    command = RecordActivity(room=room, kind=kind, data=msgspec.Raw(b"{}"))
    outcome = await runtime.execute(SYSTEM, ACTIVITY, stream, command, blind=True)
    assert outcome.position is not None
    return outcome.position


@asynccontextmanager
async def running(runtime: Runtime, *groups: Group) -> AsyncGenerator[asyncio.Task[None]]:
    task = asyncio.create_task(run_groups(runtime, groups, lambda _name, _leads: None))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def ended(leader: Leader) -> AsyncGenerator[None]:
    """It leads while inside."""
    task = asyncio.create_task(leader.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def kinds(runtime: Runtime) -> list[str]:
    async with reading(runtime) as db:
        cursor = await db.execute("SELECT kind FROM seen ORDER BY position LIMIT 1000")
        return [kind for (kind,) in await cursor.fetchall()]


async def test_a_poisoned_event_holds_back_its_own_stream_only(runtime: Runtime) -> None:
    bad, good = uuid4(), uuid4()
    await act(runtime, bad, "before")
    poison = await act(runtime, bad, "poison")
    behind = await act(runtime, bad, "behind")
    last = await act(runtime, good, "other")
    async with running(runtime, seen_group("queries")):
        await wait_for(runtime, "queries", last, WAIT_S)
        after = await act(runtime, bad, "later")
        await wait_for(runtime, "queries", after, WAIT_S)
        assert await kinds(runtime) == ["before", "other"]
    async with runtime.db.connection() as connection:
        cursor = await connection.execute(
            "SELECT position, error FROM formula_dead_letters ORDER BY position LIMIT 10"
        )
        letters = dict(await cursor.fetchall())
    assert list(letters) == [poison, behind, after]
    assert "cannot be projected" in letters[poison]
    assert letters[behind] is None


async def test_the_group_that_pushes_never_parks(runtime: Runtime) -> None:
    stream = uuid4()
    await act(runtime, stream, "before")
    await act(runtime, stream, "poison")
    last = await act(runtime, stream, "behind")
    async with running(runtime, seen_group("live")):
        await wait_for(runtime, "live", last, WAIT_S)
        assert await kinds(runtime) == ["before", "behind"]
    async with runtime.db.connection() as connection:
        cursor = await connection.execute("SELECT count(*) FROM formula_dead_letters")
        assert await cursor.fetchone() == (0,)


async def test_only_the_projection_at_fault_passes_over_an_event(runtime: Runtime) -> None:
    """The room still sees it, and its chain is whole."""
    live = next(group for group in grouped(PROJECTIONS) if group.name == "live")
    group = Group("live", (*live.projections, *seen_group("live").projections))
    async with running(runtime, group):
        places = [await act(runtime, uuid4(), kind) for kind in ("before", "poison", "behind")]
        await wait_for(runtime, "live", places[-1], WAIT_S)
    assert await kinds(runtime) == ["before", "behind"]
    async with reading(runtime, group="live") as db:
        cursor = await db.execute("SELECT prev, pos FROM room_log ORDER BY pos")
        assert await cursor.fetchall() == list(zip([0, *places], places, strict=False))


async def test_a_deposed_leader_cannot_write(runtime: Runtime) -> None:
    await act(runtime, uuid4(), "one")
    group = seen_group("queries")
    async with running(runtime, group):
        await wait_for(runtime, "queries", 1, WAIT_S)
    async with runtime.db.connection() as one, runtime.db.connection() as other:
        recent = shared(runtime, [group])
        deposed = Leader(runtime, one, group, recent)
        leader = Leader(runtime, other, group, recent)
        for each in (deposed, leader):
            await each.start()
        last = await act(runtime, uuid4(), "two")
        async with ended(leader):
            await wait_for(runtime, "queries", last, WAIT_S)
        with pytest.raises(Deposed):
            await deposed.run()
    assert await kinds(runtime) == ["one", "two"]


async def test_a_standby_takes_over_from_a_leader_whose_session_dies(runtime: Runtime) -> None:
    stream = uuid4()
    group = seen_group("queries")
    async with running(runtime, group), running(runtime, group):
        position = await act(runtime, stream, "1")
        await wait_for(runtime, "queries", position, WAIT_S)
        async with runtime.db.connection() as connection:
            cursor = await connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_locks"
                " WHERE locktype = 'advisory' AND classid = 5014003 AND granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            assert await cursor.fetchone() == (1,)
        position = await act(runtime, stream, "2")
        await wait_for(runtime, "queries", position, WAIT_S)
    assert await kinds(runtime) == ["1", "2"]


async def test_an_unknown_tag_stops_the_process_and_parks_nothing(runtime: Runtime) -> None:
    async with runtime.db.connection() as connection:
        await connection.execute(
            "INSERT INTO formula_events (originator_id, originator_version, topic, state)"
            " VALUES (gen_random_uuid(), 1, 'from.tomorrow.v9', '{}')"
        )
    async with running(runtime, seen_group("queries")) as task:
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.timeout(WAIT_S):
                await task
    assert caught.group_contains(UnknownTag)


async def test_rebuilt_tables_equal_those_that_grew_live(projected: Runtime) -> None:
    runtime = projected
    last = await history(runtime)
    for group in grouped(PROJECTIONS):
        await wait_for(runtime, group.name, last, WAIT_S)
    for projection in PROJECTIONS:
        for table in projection.tables:
            grown = await rows(runtime, f"{projection.name}_{projection.version}", table)
            rebuilt = await rebuild(runtime, projection, table, last)
            assert rebuilt == grown, f"{projection.name}.{table.name}"
    async with reading(runtime) as db:
        cursor = await db.execute("SELECT count(*) FROM audit")
        assert await cursor.fetchone() == (await durable_events(runtime),)


async def history(runtime: Runtime) -> int:
    """A little of everything; returns the last position."""
    ann, bob, project, task = (runtime.new_id() for _ in range(4))
    origin, now = Origin(actor=ann), runtime.now()
    for user, name in ((ann, "Ann"), (bob, "Bob")):
        email = f"{name.lower()}@example.org"
        register = RegisterUser(email=email, name=name, role=Role.MEMBER, at=now)
        await runtime.execute(SYSTEM, USER, user, register)
    await runtime.execute(origin, USER, bob, ChangeProfile(department="Design"))
    create = CreateProject(name="Bridge", manager=ann, at=now)
    await runtime.execute(origin, PROJECT, project, create, project=project)
    add = AddMember(user=bob, role=ProjectRole.CONTRIBUTOR)
    await runtime.execute(origin, PROJECT, project, add, project=project)
    rename = ChangeProject(name="Bridge II")
    await runtime.execute(origin, PROJECT, project, rename, project=project)
    await work_on(runtime, origin, project, task, bob)
    return await stay(runtime, origin, project, bob)


async def work_on(
    runtime: Runtime, origin: Origin, project: UUID, task: UUID, assignee: UUID
) -> None:
    now, comment = runtime.now(), runtime.new_id()
    steps = [
        CreateTask(project=project, title="Pylons", assignee=assignee, at=now),
        ChangeTask(title="Pylons, north"),
        AddComment(comment=comment, author=assignee, body="On it", mentions=(assignee,), at=now),
        AddComment(comment=runtime.new_id(), author=assignee, body="Done", at=now),
        RemoveComment(comment=comment, by=assignee),
    ]
    for step in steps:
        await runtime.execute(origin, TASK, task, step, project=project)


async def stay(runtime: Runtime, origin: Origin, project: UUID, user: UUID) -> int:
    room, participation, now = f"project:{project}", runtime.new_id(), runtime.now()
    join = Join(user=user, connection=uuid4(), room=room, project=project, node=runtime.node)
    await runtime.execute(origin, PARTICIPATION, participation, join, project=project)
    busy = SetStatus(status="busy", location="task")
    await runtime.execute(origin, PARTICIPATION, participation, busy, project=project)
    acquire = AcquireLock(
        project=project, resource="plan", holder=user, participation=participation, now=now
    )
    await runtime.execute(origin, LOCK, lock_stream(project, "plan"), acquire, project=project)
    gone = runtime.new_id()
    await runtime.execute(origin, PARTICIPATION, gone, join, project=project)
    leave = Leave(reason=LeaveReason.SAID)
    outcome = await runtime.execute(origin, PARTICIPATION, gone, leave, project=project)
    assert outcome.position is not None
    return outcome.position


async def rows(runtime: Runtime, schema: str, table: Table) -> list[Any]:
    order = sql.SQL(", ").join(map(sql.Identifier, table.key))
    query = sql.SQL("SELECT * FROM {}.{} ORDER BY {}").format(
        sql.Identifier(schema), sql.Identifier(table.name), order
    )
    async with runtime.db.connection() as connection:
        return await (await connection.execute(query)).fetchall()


async def rebuild(
    runtime: Runtime, projection: Projection[Any], table: Table, upto: int
) -> list[Any]:
    """The table as a rebuild makes it, in a schema of its own."""
    async with runtime.db.connection() as connection:
        schema = await generations.begin(connection, projection, state=SHADOW)
        await fill(runtime, connection, projection, schema, upto)
        await use(connection, await generations.serving(connection))
    return await rows(runtime, schema, table)


async def durable_events(runtime: Runtime) -> int:
    return len(await runtime.store.read(0, 10_000, motion=False))
