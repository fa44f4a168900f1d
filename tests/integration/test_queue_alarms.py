"""What is wrong with a queue is told to operators, once, and so is its end; and it is measured."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import msgspec
import pytest

from api.app import App, bind, create_app
from domain.job_args import QueueName
from domain.queue import Alarm, QueueAlarmed, QueueCalmed, queue_stream
from domain.user import Role
from infra.jobs import managing
from infra.jobs.making import insert_jobs
from infra.jobs.model import NewJob
from infra.jobs.stats import Trouble
from infra.nodes import heartbeat, nodes
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from tests.integration.sockets import Live, Socket, live_gateway
from tests.workers.office import AT, until, working
from workers.alarms import Alarms, alarms_of
from workers.scheduler import Tick, schedule

TOKEN = "a-token-that-only-a-scraper-has"


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    settings = msgspec.structs.replace(projected.settings, metrics_token=TOKEN)
    async with live_gateway(msgspec.structs.replace(projected, settings=settings)) as running:
        yield running


async def operator(live: Live) -> Socket:
    socket = await live.open(await live.user("otto", Role.OPERATOR))
    assert (await socket.ask("join", room="ops"))["op"] == "joined"
    return socket


def job(key: str, error: str | None = None, queue: str = "email") -> NewJob:
    return NewJob(
        queue=queue,
        name="mail_notice",
        consumer="test",
        position=1,
        key=key,
        args={},
        max_attempts=1,
        error=error,
    )


async def insert(runtime: Runtime, *jobs: NewJob) -> None:
    async with runtime.db.connection() as db:
        await insert_jobs(db, jobs)


async def told(runtime: Runtime, queue: str = "email") -> list[tuple[str, Alarm]]:
    events = await runtime.store.read_stream(queue_stream(QueueName(queue)))
    return [
        ("on" if isinstance(one.event, QueueAlarmed) else "off", one.event.alarm)
        for one in events
        if isinstance(one.event, QueueAlarmed | QueueCalmed)
    ]


def test_what_is_wrong_is_seen_in_the_figures() -> None:
    fine = Trouble("email", paused=False, due=2, oldest_s=9.0, dead=0)
    waits = msgspec.structs.replace(fine, oldest_s=11.0)
    assert alarms_of(fine, workers=1, late_s=10) == set()
    assert alarms_of(waits, workers=1, late_s=10) == {Alarm.LATE}
    assert alarms_of(waits, workers=0, late_s=10) == {Alarm.LATE, Alarm.UNSERVED}
    paused = msgspec.structs.replace(waits, paused=True, dead=1)
    assert alarms_of(paused, workers=0, late_s=10) == {Alarm.DEAD}, "they know that it waits"
    idle = Trouble("email", paused=False, due=0, oldest_s=0.0, dead=0)
    assert alarms_of(idle, workers=0, late_s=10) == set(), "nobody is needed"


async def test_a_queue_without_its_worker_alarms_until_one_is_back(
    live: Live, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = (Tick("alarms", 0.1, Alarms(live.runtime)),)

    def ticks(_runtime: Runtime, _lease_s: float) -> tuple[Tick, ...]:
        return quick

    monkeypatch.setattr("workers.scheduler.ticks", ticks)
    socket = await operator(live)
    async with ticking(live.runtime):
        async with working(settings):
            await until(lambda: served(live.runtime))
        await insert(live.runtime, job("waits"))  # the worker has stopped
        alarm = await socket.event("queue.alarmed")
        assert alarm["data"] == {**alarm["data"], "queue": "email", "alarm": "unserved", "due": 1}
        async with working(settings):
            calm = await socket.event("queue.calmed")
            assert calm["data"] == {"queue": "email", "alarm": "unserved"}
            died = await socket.event("queue.alarmed")  # nobody can read its arguments
            assert (died["data"]["alarm"], died["data"]["dead"]) == ("dead", 1)
    first, *others = await told(live.runtime)
    assert first == ("on", Alarm.UNSERVED)
    assert sorted(others) == [("off", Alarm.UNSERVED), ("on", Alarm.DEAD)], "in either order"


@asynccontextmanager
async def ticking(runtime: Runtime) -> AsyncGenerator[None]:
    async with asyncio.TaskGroup() as tasks:
        scheduler = tasks.create_task(schedule(runtime, lambda _: None))
        yield
        scheduler.cancel()


async def served(runtime: Runtime, queue: str = "email") -> bool:
    return any(
        node.role == "worker" and node.detail.get("listens", {}).get(queue)
        for node in await nodes(runtime)
    )


async def test_dead_letters_alarm_once_whoever_leads_until_they_are_tried_again(
    runtime: Runtime, settings: Settings
) -> None:
    await insert(runtime, job("a", error="broken"))
    async with open_runtime(settings) as other:
        await asyncio.gather(*(Alarms(one)(0.0) for one in (runtime, other, runtime)))
        await insert(runtime, job("b", error="broken"))
        await Alarms(other)(0.0)
        assert await told(runtime) == [("on", Alarm.DEAD)]
        async with runtime.db.connection() as db:
            await managing.pause(db, "email", AT, None, "so that nobody is needed")
            await managing.retry_dead(db, "email", "", {"email": 1})
        await Alarms(other)(0.0)
        await Alarms(runtime)(0.0)
    assert await told(runtime) == [("on", Alarm.DEAD), ("off", Alarm.DEAD)]


async def test_a_job_that_waits_for_too_long_alarms(runtime: Runtime) -> None:
    await insert(runtime, job("old", queue="reports"))
    async with runtime.db.connection() as db:
        await db.execute("UPDATE formula_jobs SET run_at = run_at - interval '301 seconds'")
    await Alarms(runtime)(0.0)
    assert set(await told(runtime, "reports")) == {("on", Alarm.LATE), ("on", Alarm.UNSERVED)}
    [late] = [
        one.event
        for one in await runtime.store.read_stream(queue_stream(QueueName.REPORTS))
        if isinstance(one.event, QueueAlarmed) and one.event.alarm is Alarm.LATE
    ]
    assert late.oldest_s >= 301
    assert await told(runtime, "email") == []


# What a scraper reads


def parsed(text: str) -> dict[str, float]:
    """Values by name and labels; a line that is not of the format fails."""
    line = re.compile(r"([a-z_]+(?:\{[^}]*\})?) ([0-9.e+-]+|\+Inf|NaN)")
    found: dict[str, float] = {}
    for one in text.splitlines():
        if not one.startswith("#"):
            matched = line.fullmatch(one)
            assert matched, one
            found[matched[1]] = float(matched[2])
    return found


async def scrape(live: Live, app: App) -> dict[str, float]:
    async with heartbeat(live.runtime, "api") as heart:
        bind(app, live.runtime, heart, live.gateway)
        # httpx and Litestar type ASGI apart
        transport = httpx.ASGITransport(cast(Any, app), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            answer: httpx.Response = await client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return parsed(answer.text)


async def test_the_queues_are_measured(live: Live, settings: Settings) -> None:
    runtime = live.runtime
    late = msgspec.structs.replace(job("late"), run_at=AT.replace(year=2126))
    await insert(runtime, job("a"), job("b"), late, job("c", error="broken"))
    async with runtime.db.connection() as db:
        await db.execute(
            "UPDATE formula_jobs SET run_at = run_at - interval '1 minute' WHERE key = 'a'"
        )
        await db.execute(
            "UPDATE formula_jobs SET state = 'done', started_at = run_at + interval '2 seconds',"
            " finished_at = run_at + interval '5 seconds' WHERE key = 'b'"
        )
    app = create_app()  # it takes as long as a lease of the worker, which shares the loop
    async with working(settings):
        await until(lambda: served(runtime))
        found = await scrape(live, app)
    assert found['formula_queue_workers{queue="email"}'] == 1
    assert found['formula_queue_jobs{queue="email",state="delayed"}'] == 1
    assert found['formula_queue_jobs{queue="email",state="done"}'] == 1
    assert found['formula_queue_wait_seconds{queue="email",quantile="0.5"}'] == 2.0
    assert found['formula_queue_run_seconds{queue="email",quantile="0.99"}'] == 3.0
    assert 'formula_queue_run_seconds{queue="files",quantile="0.5"}' not in found
    assert "formula_gateway_connections" in found
