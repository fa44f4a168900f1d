"""Projectors under load: who works, whose process projects, and what must be true afterwards."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import psycopg

from domain.kernel import Command
from domain.project import PROJECT, ChangeProject, CreateProject
from domain.task import TASK, AddComment, ChangeTask, CreateTask, RemoveComment
from infra.db import Connection, connect
from infra.eventstore.types import StoreOverloaded
from infra.runtime import Origin, Runtime
from infra.settings import Settings, child_environment
from projections.checking import check
from projections.projector import grouped
from projections.read import reading, wait_for
from projections.registry import PROJECTIONS
from tests.integration.test_projector import stay

GROUPS = [group.name for group in grouped(PROJECTIONS)]
LIMIT_S = 60.0
PAUSE_S = 0.01
RETRY_S = 0.1  # while Postgres is away
POLL_S = 0.002

WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE 'SELECT pg_try_advisory_lock(%' AND state = 'idle'
"""
UNCHAINED = """
SELECT count(*) FROM (
    SELECT prev, lag(pos, 1, 0::bigint) OVER (PARTITION BY room ORDER BY pos) AS before
    FROM room_log
) AS frames WHERE prev <> before
"""
UNAUDITED = """
SELECT position FROM (SELECT notification_id AS position FROM formula_events) AS log
FULL JOIN audit USING (position) WHERE audit.position IS NULL OR log.position IS NULL
"""


@asynccontextmanager
async def worked(runtime: Runtime) -> AsyncGenerator[None]:
    """One person works for as long as one is inside, servers or none."""
    working = asyncio.create_task(_work(runtime))
    try:
        yield
        assert not working.done(), working.exception()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _work(runtime: Runtime) -> None:
    for turn in range(1_000_000):
        try:
            await _work_on_a_project(runtime, turn)
        except (psycopg.Error, StoreOverloaded):
            await asyncio.sleep(RETRY_S)


async def _work_on_a_project(runtime: Runtime, turn: int) -> None:
    """Its tasks: made, renamed, talked about, some of it taken back; and who comes and goes."""
    ann, project = runtime.new_id(), runtime.new_id()
    origin = Origin(actor=ann)
    create = CreateProject(name=f"Bridge {turn}", manager=ann, at=runtime.now())
    await runtime.execute(origin, PROJECT, project, create, project=project)
    for number in range(4):
        task, comment = runtime.new_id(), runtime.new_id()
        for step in _steps(runtime, project, ann, comment, number):
            await runtime.execute(origin, TASK, task, step, project=project)
            await asyncio.sleep(PAUSE_S)
        rename = ChangeProject(name=f"Bridge {turn}, {number}")
        await runtime.execute(origin, PROJECT, project, rename, project=project)
    await stay(runtime, origin, project, ann)


def _steps(runtime: Runtime, project: UUID, ann: UUID, comment: UUID, number: int) -> list[Command]:
    now = runtime.now()
    return [
        CreateTask(project=project, title=f"Pylon {number}", assignee=ann, at=now),
        AddComment(comment=comment, author=ann, body="On it", at=now),
        AddComment(comment=runtime.new_id(), author=ann, body="Done", at=now),
        ChangeTask(title=f"Pylon {number}, north"),
        RemoveComment(comment=comment, by=ann),
    ]


@asynccontextmanager
async def projector(
    settings: Settings, written: Path | None = None, module: str = "projections.main"
) -> AsyncGenerator[Process]:
    """In a process of its own, killed at the end; what it logs goes to `written`."""
    with (written or Path(os.devnull)).open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, env=child_environment(settings), stderr=log
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def checkpoints(db: Connection) -> dict[str, int]:
    cursor = await db.execute("SELECT name, position FROM formula_checkpoints")
    found: dict[str, int] = dict(await cursor.fetchall())
    return {group: found.get(group, 0) for group in GROUPS}


async def moved(settings: Settings, *groups: str) -> None:
    """Return once each of the groups, by default all, has come on.

    On a connection of its own: the one before may have died with its server.
    """
    async with await connect(settings.database_url) as db, asyncio.timeout(LIMIT_S):
        start = await checkpoints(db)
        while True:
            now = await checkpoints(db)
            if all(now[group] > start[group] for group in groups or GROUPS):
                return
            await asyncio.sleep(PAUSE_S)


async def standing_by(settings: Settings) -> None:
    """Return once a session for each group asks for its lease again and again."""
    async with await connect(settings.database_url) as db, asyncio.timeout(LIMIT_S):
        while await (await db.execute(WAITING)).fetchone() != (len(GROUPS),):  # noqa: ASYNC110, it is in Postgres
            await asyncio.sleep(PAUSE_S)


async def assert_projected(runtime: Runtime) -> None:
    """Every row is as a rebuild makes it, nothing was skipped, doubled or parked."""
    head = await runtime.store.head()
    for group in GROUPS:
        await wait_for(runtime, group, head, LIMIT_S)
    await assert_as_rebuilt(runtime)
    assert await _rows(runtime, "SELECT position FROM formula_dead_letters") == []
    assert await _rows(runtime, UNCHAINED) == [(0,)]


async def assert_as_rebuilt(runtime: Runtime, *groups: str) -> None:
    for projection in PROJECTIONS:
        if projection.tables and projection.group in (groups or GROUPS):
            found = await check(runtime, projection.name, lambda _step, _done, _of: None)
            assert found.different == 0, found
    await wait_for(runtime, "audit", await runtime.store.head(), LIMIT_S)
    assert await _rows(runtime, UNAUDITED) == []


async def _rows(runtime: Runtime, query: str) -> list[tuple[object, ...]]:
    async with reading(runtime) as connection:
        return await (await connection.execute(query.encode())).fetchall()
