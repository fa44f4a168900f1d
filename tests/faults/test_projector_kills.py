"""Projectors are killed under load: afterwards every row is as a rebuild makes it."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from domain.kernel import Command
from domain.project import PROJECT, ChangeProject, CreateProject
from domain.task import TASK, AddComment, ChangeTask, CreateTask, RemoveComment
from infra.runtime import Origin, Runtime
from infra.settings import child_environment
from projections.building import checkpoint
from projections.checking import check
from projections.projector import grouped
from projections.read import wait_for
from projections.registry import PROJECTIONS

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(600)]

KILLS = 50 if os.environ.get("FORMULA_FAULTS") == "full" else 5
LIMIT_S = 60.0
PAUSE_S = 0.01
GROUPS = [group.name for group in grouped(PROJECTIONS)]


async def work(runtime: Runtime) -> None:
    """One person's tasks, over and over: made, renamed, talked about, some of it taken back."""
    ann, project = runtime.new_id(), runtime.new_id()
    origin = Origin(actor=ann)
    create = CreateProject(name="Bridge", manager=ann, at=runtime.now())
    await runtime.execute(origin, PROJECT, project, create, project=project)
    for turn in range(1_000_000):
        task, comment = runtime.new_id(), runtime.new_id()
        for step in steps(runtime, project, ann, comment, turn):
            await runtime.execute(origin, TASK, task, step, project=project)
            await asyncio.sleep(PAUSE_S)
        rename = ChangeProject(name=f"Bridge {turn}")
        await runtime.execute(origin, PROJECT, project, rename, project=project)


def steps(runtime: Runtime, project: UUID, ann: UUID, comment: UUID, turn: int) -> list[Command]:
    now = runtime.now()
    return [
        CreateTask(project=project, title=f"Pylon {turn}", assignee=ann, at=now),
        AddComment(comment=comment, author=ann, body="On it", at=now),
        AddComment(comment=runtime.new_id(), author=ann, body="Done", at=now),
        ChangeTask(title=f"Pylon {turn}, north"),
        RemoveComment(comment=comment, by=ann),
    ]


@asynccontextmanager
async def projector(runtime: Runtime) -> AsyncGenerator[Process]:
    """In a process of its own, killed at the end."""
    env = child_environment(runtime.settings)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "projections.main", env=env, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def moved(runtime: Runtime, group: str) -> None:
    """Return once the group has come on."""
    async with asyncio.timeout(LIMIT_S), runtime.db.connection() as connection:
        start = await checkpoint(connection, group)
        while True:
            if await checkpoint(connection, group) > start:
                return
            await asyncio.sleep(0.001)


async def test_killed_projectors_leave_rows_as_a_rebuild_makes_them(runtime: Runtime) -> None:
    working = asyncio.create_task(work(runtime))
    for turn in range(KILLS):
        async with projector(runtime):
            await moved(runtime, GROUPS[turn % len(GROUPS)])
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    head = await runtime.store.head()
    async with projector(runtime):
        for group in GROUPS:
            await wait_for(runtime, group, head, LIMIT_S)
        for projection in PROJECTIONS:
            if projection.tables:
                found = await check(runtime, projection.name, lambda _step, _done, _of: None)
                assert found.different == 0, found
    async with runtime.db.connection() as connection:
        cursor = await connection.execute("SELECT count(*) FROM formula_dead_letters")
        assert await cursor.fetchone() == (0,)
