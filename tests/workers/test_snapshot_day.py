"""The daily snapshot: asked for once a day, and as the day was."""

from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.errors import WrongState
from domain.job_args import SnapshotDay
from domain.task import TASK, ChangeTaskStatus, CreateTask, TaskStatus
from infra.mail import Mailer
from infra.runtime import SYSTEM, Runtime
from projections.read import wait_for
from workers import snapshot_day
from workers.model import Context

PROJECT, OPEN, DONE = UUID(int=1), UUID(int=2), UUID(int=3)


async def rows(runtime: Runtime) -> list[Any]:
    async with runtime.db.connection() as db:
        cursor = await db.execute(
            "SELECT day, project, tasks, open, done, unassigned FROM formula_daily ORDER BY day"
        )
        return await cursor.fetchall()


async def test_a_day_is_written_down_as_it_was_and_stays(projected: Runtime) -> None:
    runtime, now = projected, projected.now()
    for task in (OPEN, DONE):
        create = CreateTask(project=PROJECT, title="T", at=now)
        await runtime.execute(SYSTEM, TASK, task, create, project=PROJECT)
    change = ChangeTaskStatus(status=TaskStatus.DONE)
    outcome = await runtime.execute(SYSTEM, TASK, DONE, change, project=PROJECT)
    await wait_for(runtime, "analytics", outcome.position or 0)
    await snapshot_day.write_down(runtime, now.astimezone(UTC).date() - timedelta(days=1))
    assert await rows(runtime) == []  # there was nothing yet
    today = runtime.now().astimezone(UTC).date()  # of all that was done
    await snapshot_day.write_down(runtime, today)
    written = (today, PROJECT, 2, 1, 1, 1)
    assert await rows(runtime) == [written]
    await runtime.execute(SYSTEM, TASK, OPEN, change, project=PROJECT)
    await snapshot_day.write_down(runtime, today)
    assert await rows(runtime) == [written]
    await snapshot_day.write_down(runtime, today + timedelta(days=2))  # one was missed
    later = [(today + timedelta(days=n), PROJECT, 2, 0, 2, 0) for n in (1, 2)]
    assert await rows(runtime) == [written, *later]


async def test_a_day_that_is_not_over_is_not_written_down(runtime: Runtime) -> None:
    context = Context(runtime, Mailer(runtime.settings, runtime.now), runtime.new_id(), 0, None)
    today = runtime.now().astimezone(UTC).date()
    with pytest.raises(WrongState, match=r"day\.not_over"):
        await snapshot_day.run(context, SnapshotDay(day=today))
