"""Daily roll-ups: as the log says, once, for every day; and analysts can ask for them."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.errors import WrongState
from domain.job_args import RollUpMetrics
from domain.lock import LOCK, AcquireLock, lock_stream
from domain.task import TASK, AddComment, ChangeTaskStatus, TaskStatus
from infra.analytics import Viewer, run
from infra.mail import Mailer
from infra.runtime import Origin, Runtime
from projections.analytics_views import refresh_views
from projections.read import wait_for
from tests.workers.office import Office, working
from workers import roll_up_metrics
from workers.model import Context
from workers.roll_up_metrics import RolledUp

DAY = timedelta(days=1)
ACTIVITY = (
    "SELECT day, project, events, people, comments, created, completed, locks FROM"
    " daily_activity ORDER BY day"
)


def context(runtime: Runtime) -> Context:
    return Context(runtime, Mailer(runtime.settings, runtime.now), uuid4(), 0, None)


async def work(runtime: Runtime) -> tuple[UUID, UUID]:
    """Ann makes two tasks, says something, holds a lock, and does one of them; Bob comments."""
    office, at = Office(runtime), runtime.now()
    ann, bob = await office.person("Ann"), await office.person("Bob")
    project = await office.project(ann)
    task, other = await office.task(project, ann), await office.task(project, ann)
    stream = lock_stream(project, "arch")
    holds = AcquireLock(
        project=project, resource="arch", holder=ann, participation=uuid4(), now=runtime.now()
    )
    for decider, one, by, command in (
        (TASK, task, ann, AddComment(comment=uuid4(), author=ann, body="Look", at=at)),
        (TASK, other, bob, AddComment(comment=uuid4(), author=bob, body="Where?", at=at)),
        (TASK, task, ann, ChangeTaskStatus(status=TaskStatus.IN_PROGRESS)),
        (TASK, task, ann, ChangeTaskStatus(status=TaskStatus.DONE)),
        (LOCK, stream, ann, holds),
    ):
        await runtime.execute(Origin(by), decider, one, command, project=project)
    return project, ann


async def yesterday(runtime: Runtime) -> date:
    """All that is in the log, and in what analysts read, happened before noon of the day before."""
    await wait_for(runtime, "analytics", await runtime.store.head())
    now = runtime.now()
    day = (now - DAY).astimezone(UTC).date()
    back = now - datetime.combine(day, time(12), UTC)
    async with runtime.db.connection() as db:
        cursor = await db.execute(
            "SELECT projection, schema FROM formula_generations WHERE state = 'serving'"
        )
        schemas: dict[str, str] = dict(await cursor.fetchall())
        for change in (
            "formula_events SET recorded_at = recorded_at - %s",
            f"{schemas['analytics_flow']}.task_moves SET at = at - %s",
            f"{schemas['analytics_flow']}.task_flow SET started_at = started_at - %s",
            f"{schemas['analytics_locks']}.lock_holds SET acquired_at = acquired_at - %s",
        ):
            await db.execute(f"UPDATE {change}".encode(), (back,))
    return day


EVERY = Viewer("all")


async def asked(runtime: Runtime, sql: str, viewer: Viewer = EVERY) -> list[Any]:
    async with run(runtime.settings.database_url, viewer, sql, {}, 100) as rows:
        return [row async for chunk in rows.chunks for row in chunk]


async def test_a_day_is_written_down_as_the_log_has_it(projected: Runtime) -> None:
    project, ann = await work(projected)
    day = await yesterday(projected)
    async with working(projected.settings):
        args = RollUpMetrics(day=day)
        office = Office(projected)
        assert await office.done(args, RolledUp) == RolledUp([day], 1)
        assert (await office.done(args, RolledUp)).projects == 0, "what is there stays"
    async with projected.db.connection() as db:
        assert await refresh_views(db)
    [row] = await asked(projected, ACTIVITY)
    assert row == (day, project, 7, 2, 2, 2, 1, 1)
    [(p50, seconds)] = await asked(
        projected, "SELECT cycle_p50_hours, locked_seconds FROM daily_activity"
    )
    assert 0 < p50 < 0.1
    assert 0 < seconds <= DAY.total_seconds()
    [(events, people, by_type)] = await asked(
        projected, "SELECT events, people, by_type FROM daily_system"
    )
    assert events == sum(by_type.values())
    assert by_type["task.status_changed.v1"] == 2
    assert people == 2
    assert await asked(projected, "SELECT * FROM daily_activity", Viewer(uuid4())) == []
    assert len(await asked(projected, "SELECT * FROM daily_activity", Viewer(ann))) == 1
    assert await asked(projected, "SELECT * FROM daily_system", Viewer(ann)) == []


async def test_missed_days_are_made_good_in_order(projected: Runtime) -> None:
    await work(projected)
    day = await yesterday(projected)
    do = context(projected)
    await roll_up_metrics.run(do, RollUpMetrics(day=day - 4 * DAY))  # the first of all
    done = await roll_up_metrics.run(do, RollUpMetrics(day=day))
    assert done == RolledUp([day - n * DAY for n in (3, 2, 1, 0)], 1)
    async with projected.db.connection() as db:
        rows = await (
            await db.execute("SELECT day, events > 0 FROM formula_system_days ORDER BY day")
        ).fetchall()
    assert rows == [(day - n * DAY, n == 0) for n in (4, 3, 2, 1, 0)]


async def test_jobs_are_counted_by_queue_and_state(projected: Runtime) -> None:
    day = (projected.now() - DAY).astimezone(UTC).date()
    noon = datetime.combine(day, time(), UTC) + DAY / 2
    async with projected.db.connection() as db:
        for queue, state in (("email", "done"), ("email", "done"), ("files", "dead")):
            await db.execute(
                "INSERT INTO formula_jobs (id, queue, name, consumer, position, key, args, state,"
                " max_attempts, finished_at) VALUES (%s, %s, 'x', '', 0, '', '{}', %s, 1, %s)",
                (uuid4(), queue, state, noon),
            )
        await roll_up_metrics.run(context(projected), RollUpMetrics(day=day))
        row = await (await db.execute("SELECT jobs FROM formula_system_days")).fetchone()
    assert row == ({"email": {"done": 2}, "files": {"dead": 1}},)


async def test_a_day_that_is_not_over_is_refused(projected: Runtime) -> None:
    today = projected.now().astimezone(UTC).date()
    with pytest.raises(WrongState, match="not_over"):
        await roll_up_metrics.run(context(projected), RollUpMetrics(day=today))
