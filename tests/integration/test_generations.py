"""Building beside what serves: bulk, cuts, the switch, the way back; letters, checks."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import sql

from domain.activity import ActivityRecorded
from domain.errors import WrongState
from domain.job_args import VerifyReadModel
from domain.kernel import Recorded
from domain.task import TASK, AddComment, ChangeTask, CreateTask
from infra.db import Connection
from infra.eventstore.reader import Slice
from infra.mail import Mailer
from infra.runtime import SYSTEM, Runtime
from infra.settings import child_environment
from projections import building, generations, parking, upkeep
from projections.building import catch_up, fill, slices_at
from projections.checking import check
from projections.generations import BUILDING, RETIRED, SERVING, Generation
from projections.model import Insert, Projection, Table, Write
from projections.projector import Group
from projections.read import reading, wait_for
from projections.registry import PROJECTIONS
from projections.step import Deposed
from tests.integration.test_projector import WAIT_S, act, running
from workers import verify_read_model
from workers.model import Context

SEEN = Table(
    name="seen",
    columns={"position": "bigint NOT NULL", "kind": "text NOT NULL"},
    key=("position",),
    indexes=("(kind)",),
)


class Refuses:
    """A projection's code that cannot apply some kinds, until it is mended."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = set(kinds)

    def __call__(self, batch: Sequence[Recorded[ActivityRecorded]]) -> list[Write]:
        for recorded in batch:
            if recorded.event.kind in self.kinds:
                raise ZeroDivisionError(recorded.event.kind)
        return [Insert(SEEN, [{"position": r.position, "kind": r.event.kind} for r in batch])]


def seen(version: int = 1, refuses: Refuses | None = None) -> Projection[ActivityRecorded]:
    return Projection(
        name="seen",
        group="queries",
        version=version,
        tables=(SEEN,),
        events=(ActivityRecorded,),
        project=refuses or Refuses(),
    )


def group(projection: Projection[Any]) -> Group:
    return Group("queries", (projection,))


async def kinds(runtime: Runtime) -> list[str]:
    async with reading(runtime) as db:
        cursor = await db.execute("SELECT kind FROM seen ORDER BY position")
        return [kind for (kind,) in await cursor.fetchall()]


async def all_of(runtime: Runtime) -> dict[str, Generation]:
    async with runtime.db.connection() as db:
        return {one.schema: one for one in await generations.generations(db, ["seen"])}


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.02)


async def until_serving(runtime: Runtime, schema: str) -> None:
    async def serves() -> bool:
        return (await all_of(runtime))[schema].state == SERVING

    await until(serves)


async def kinds_in(db: Connection, schema: str) -> list[str]:
    query = sql.SQL("SELECT kind FROM {} ORDER BY position").format(sql.Identifier(schema, "seen"))
    return [kind for (kind,) in await (await db.execute(query)).fetchall()]


@asynccontextmanager
async def built(runtime: Runtime, projection: Projection[Any], schema: str) -> AsyncGenerator[None]:
    """A builder follows the group with it, as its process does."""
    async with runtime.db.connection() as connection:
        upto = await building.checkpoint(connection, projection.group)
        await fill(runtime, connection, projection, schema, upto)
        await connection.execute("RESET search_path")
    yield


async def test_a_new_version_is_built_while_the_old_serves_and_then_switched(
    runtime: Runtime,
) -> None:
    last = [await act(runtime, uuid4(), kind) for kind in ("1", "2")][-1]
    async with running(runtime, group(seen(1))) as old:
        await wait_for(runtime, "queries", last, WAIT_S)
        async with runtime.db.connection() as db:
            schema = await generations.begin(db, seen(2))
        last = await act(runtime, uuid4(), "3")
        await wait_for(runtime, "queries", last, WAIT_S)
        assert await kinds(runtime) == ["1", "2", "3"]
        assert (await all_of(runtime))["seen_1"].state == SERVING
        async with built(runtime, seen(2), schema), running(runtime, group(seen(2))):
            await until_serving(runtime, schema)  # the old leader has stepped down
            last = await act(runtime, uuid4(), "4")
            await wait_for(runtime, "queries", last, WAIT_S)
        assert not old.done()
    found = await all_of(runtime)
    assert (found["seen_1"].state, found[schema].state) == (RETIRED, SERVING)
    async with reading(runtime, min_position=last) as db:
        assert await kinds_in(db, schema) == ["1", "2", "3", "4"]


async def test_it_goes_back_to_what_served_before_brought_up_to_date(runtime: Runtime) -> None:
    one = seen()
    last = await act(runtime, uuid4(), "1")
    async with running(runtime, group(one)):
        await wait_for(runtime, "queries", last, WAIT_S)
        async with runtime.db.connection() as db:
            again = await generations.begin(db, one)
        async with built(runtime, one, again):
            await until_serving(runtime, again)
        last = await act(runtime, uuid4(), "2")
        await wait_for(runtime, "queries", last, WAIT_S)
        async with runtime.db.connection() as db:
            back = await generations.back(db, "seen", "queries")
        assert back is not None
        assert (again, back.schema) == ("seen_1_1", "seen_1")
        async with built(runtime, one, "seen_1"):
            await until_serving(runtime, "seen_1")
    assert (await all_of(runtime))["seen_1"].began == last - 1
    async with runtime.db.connection() as db:
        assert await kinds_in(db, "seen_1") == ["1", "2"]
        await generations.drop(db, again)
        await generations.drop(db, "seen_1")  # it serves: only what does not goes
        assert await generations.serving(db) == ["seen_1"]
        assert await kinds_in(db, "seen_1") == ["1", "2"]


async def test_slices_go_on_where_they_ended_and_are_indexed_at_the_end(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "BATCH", 10)
    monkeypatch.setattr(generations, "MAX_SLICES", 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    last = [await act(runtime, uuid4(), str(n)) for n in range(60)][-1]
    one = seen()
    async with runtime.db.connection() as db:
        schema = await generations.begin(db, one)
        assert [number for number, _ in await slices_at(db, schema)] == [0, 1]
        await catch_up(runtime, db, one, schema, last // 2, part=Slice(0, 2))
        assert (await slices_at(db, schema))[0] == (0, last // 2)
        await fill(runtime, db, one, schema, last)
        assert await kinds_in(db, schema) == [str(n) for n in range(60)]
        indexes = await db.execute("SELECT 1 FROM pg_indexes WHERE schemaname = %s", (schema,))
        assert len(await indexes.fetchall()) == 2
        await db.execute("RESET search_path")


async def test_a_builder_cannot_write_once_the_leader_has_taken_over(runtime: Runtime) -> None:
    one, last = seen(), await act(runtime, uuid4(), "1")
    async with runtime.db.connection() as db:
        schema = await generations.begin(db, one)
        await generations.mark(db, schema, generations.SWITCHING, BUILDING)
        with pytest.raises(Deposed):
            await catch_up(runtime, db, one, schema, last)
        await catch_up(runtime, db, one, schema, last, mine=True)
        await db.execute("RESET search_path")


async def test_a_process_builds_what_it_is_told_to(projected: Runtime) -> None:
    """Killed in the middle it is started again, and ends when the leader takes over."""
    runtime = projected
    project = uuid4()
    create = CreateTask(project=project, title="One of many", at=runtime.now())
    for _ in range(30):
        await runtime.execute(SYSTEM, TASK, uuid4(), create, project=project)
    await wait_for(runtime, "queries", await runtime.store.head(), WAIT_S)
    schema = await upkeep.ask_rebuild(runtime, SYSTEM, "tasks")
    with pytest.raises(WrongState, match="building"):
        await upkeep.ask_rebuild(runtime, SYSTEM, "tasks")
    argv = (sys.executable, "-m", "projections.building", schema)
    env = child_environment(runtime.settings)
    first = await asyncio.create_subprocess_exec(*argv, env=env)
    first.kill()
    await first.wait()
    second = await asyncio.create_subprocess_exec(*argv, env=env)
    async with asyncio.timeout(WAIT_S):
        assert await second.wait() == 0
    async with runtime.db.connection() as db:
        assert schema in await generations.serving(db)
    found = await check(runtime, "tasks", lambda _step, _done, _of: None)
    assert (found.rows, found.different) == (30, 0)


async def dead(runtime: Runtime) -> list[tuple[int, bool]]:
    async with runtime.db.connection() as db:
        cursor = await db.execute(
            "SELECT position, error IS NOT NULL FROM formula_dead_letters ORDER BY position"
        )
        return await cursor.fetchall()


@pytest.mark.parametrize("what", ["retry", "skip"])
async def test_letters_are_tried_again_in_order_or_passed_over(runtime: Runtime, what: str) -> None:
    code, stream = Refuses("bad"), uuid4()
    one = seen(refuses=code)
    places = [await act(runtime, stream, kind) for kind in ("first", "bad", "behind", "bad", "end")]
    async with running(runtime, group(one)):
        await wait_for(runtime, "queries", places[-1], WAIT_S)
        assert await dead(runtime) == [(places[1], True)] + [(at, False) for at in places[2:]]
        if what == "retry":
            code.kinds.clear()
        async with runtime.db.connection() as db:
            await db.execute(
                "UPDATE formula_dead_letters SET asked = %s WHERE position = %s", (what, places[1])
            )

        left = [] if what == "retry" else [(places[3], True), (places[4], False)]

        async def mended() -> bool:
            return await dead(runtime) == left

        await until(mended)
        whole = ["first", "bad", "behind", "bad", "end"]
        assert await kinds(runtime) == (whole if what == "retry" else ["first", "behind"])
        if what == "retry":
            last = await act(runtime, stream, "more")
            await wait_for(runtime, "queries", last, WAIT_S)
            assert await kinds(runtime) == [*whole, "more"]


async def test_a_rebuild_passes_over_what_was_skipped(runtime: Runtime) -> None:
    bad, last = await act(runtime, uuid4(), "bad"), await act(runtime, uuid4(), "good")
    one = seen(refuses=Refuses("bad"))
    async with runtime.db.connection() as db:
        await db.execute("INSERT INTO formula_skipped_events VALUES ('seen', %s)", (bad,))
        schema = await generations.begin(db, one)
        await fill(runtime, db, one, schema, last)
        assert await kinds_in(db, schema) == ["good"]
        letters = parking.Letters({"seen": schema})
        await letters.load(db)
        assert not letters.any
        await db.execute("RESET search_path")


async def history(runtime: Runtime) -> tuple[UUID, UUID]:
    """A task that was made, changed and talked about."""
    project, task = uuid4(), uuid4()
    comment = AddComment(comment=uuid4(), author=uuid4(), body="On it", at=runtime.now())
    for command in (
        CreateTask(project=project, title="Pylons", at=runtime.now()),
        ChangeTask(title="Pylons, north"),
        comment,
    ):
        done = await runtime.execute(SYSTEM, TASK, task, command, project=project)
        assert done.position is not None
        await wait_for(runtime, "queries", done.position, WAIT_S)
    await wait_for(runtime, "audit", done.position or 0, WAIT_S)
    return task, comment.comment


async def test_a_check_finds_the_rows_that_are_not_as_the_log_says(projected: Runtime) -> None:
    runtime = projected
    task, comment = await history(runtime)
    for projection in PROJECTIONS:
        if projection.tables:
            found = await check(runtime, projection.name, lambda _step, _done, _of: None)
            assert found.different == 0, found
    async with reading(runtime) as db:
        await db.execute("UPDATE tasks SET title = 'Forged' WHERE id = %s", (task,))
        await db.execute("DELETE FROM comments WHERE id = %s", (comment,))
    found = await check(runtime, "tasks", lambda _step, _done, _of: None)
    assert found.different == 2
    forged, gone = found.differences
    assert (forged.serves or {})["title"] == "Forged"
    assert (forged.rebuilt or {})["title"] == "Pylons, north"
    assert gone.serves is None
    [event] = [
        one.event
        for one in await runtime.store.read(0, 10_000, types=["upkeep.checked.v1"])
        if getattr(one.event, "differences", 0)
    ]
    assert str(task) in str(getattr(event, "keys", ""))
    assert "Forged" in getattr(event, "shown", ("",))[0]
    job = Context(runtime, Mailer(runtime.settings, runtime.now), uuid4(), 0, None)
    told = await verify_read_model.run(job, VerifyReadModel(projection="tasks"))
    assert (told.different, told.rows) == (2, found.rows)
    assert str(task) in str(told.keys)
    assert "Forged" not in str(told), "who operates need not see what is in the rows"
