"""Jobs when workers, Valkey, Postgres or the mail server go away: done, and done once."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
import psycopg
import pytest

from domain.job_args import Ping
from domain.jobs import JOB, RequestJob, Wanted
from infra.eventstore.reader import reached
from infra.exits import EXIT_UNKNOWN_TAG
from infra.folder import free_port
from infra.jobs.making import insert_jobs
from infra.jobs.model import CONSUMER
from infra.jobs.reading import JobRow, get_job
from infra.runtime import SYSTEM, Runtime
from infra.settings import Settings, child_environment
from tests.integration.test_job_rows import insert, new_job
from tests.integration.test_jobs import recipients, run_again, with_smtp
from tests.workers.office import (
    LIMIT_S,
    Office,
    mail_server,
    until,
    working,
)
from workers import broker
from workers.broker import GROUP, lengths, send_hints, stream
from workers.model import EMAIL, QueueName

BOB = UUID(int=2)


@pytest.fixture
def office(runtime: Runtime) -> Office:
    return Office(runtime)


@asynccontextmanager
async def process(
    settings: Settings, *arguments: str
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A worker of its own process; killed if the test leaves it running."""
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.workers.lone_worker", *arguments),
        env=child_environment(settings),
    )
    try:
        yield worker
    finally:
        if worker.returncode is None:
            worker.kill()
        await worker.wait()


async def test_reading_the_log_again_makes_no_second_job(
    office: Office, settings: Settings
) -> None:
    async with working(settings):
        await office.assigned_task()
        (row,) = await office.ended("mail_notice")
    async with office.runtime.db.connection() as db:
        await db.execute("UPDATE formula_checkpoints SET position = 0 WHERE name = %s", (CONSUMER,))
    head = await office.runtime.store.head()
    async with working(settings):
        assert await reached(office.runtime.db, CONSUMER, head, LIMIT_S)
    assert [(again.id, again.attempts) for again in await office.jobs("mail_notice")] == [
        (row.id, 1)
    ]


async def test_another_worker_finishes_what_a_killed_one_began(
    office: Office, settings: Settings
) -> None:
    port = free_port()
    with mail_server(port) as mailbox:
        settings = with_smtp(settings, port)
        async with process(settings) as first:
            mailbox.hangs.set()
            await office.assigned_task()
            assert await asyncio.to_thread(mailbox.hung.wait, LIMIT_S)
            first.send_signal(signal.SIGKILL)
            await first.wait()
        async with working(settings):
            (row,) = await office.ended("mail_notice")
    assert (row.state, row.attempts) == ("done", 2)
    assert recipients(mailbox) == ["bob@example.com"]


async def test_a_worker_that_is_told_to_stop_gives_back_what_it_cannot_finish(
    office: Office, settings: Settings
) -> None:
    port = free_port()
    with mail_server(port) as mailbox:
        settings = with_smtp(settings, port)
        async with process(settings) as first:
            mailbox.hangs.set()
            await office.assigned_task()
            assert await asyncio.to_thread(mailbox.hung.wait, LIMIT_S)
            first.terminate()
            async with asyncio.timeout(LIMIT_S):
                assert await first.wait() == 0
        (row,) = await office.jobs("mail_notice")
        assert (row.state, row.attempts, row.worker) == ("queued", 0, None)
        async with working(settings):
            (row,) = await office.ended("mail_notice")
    assert (row.state, row.attempts) == ("done", 1)


async def test_an_idle_worker_stops_when_it_is_told_to(
    runtime: Runtime, settings: Settings
) -> None:
    async with process(settings, f"{2 * LIMIT_S}") as worker:  # it would wait so long for jobs
        await until(lambda: ready(runtime))
        worker.terminate()
        async with asyncio.timeout(LIMIT_S):
            assert await worker.wait() == 0


async def ready(runtime: Runtime) -> bool:
    async with runtime.db.connection() as db:
        cursor = await db.execute("SELECT state FROM formula_nodes WHERE role = 'worker'")
        return await cursor.fetchone() == ("ready",)


async def test_jobs_survive_a_redis_that_forgets_everything(
    office: Office, settings: Settings
) -> None:
    runtime = office.runtime
    async with working(settings):
        await until(lambda: ready(runtime))
        for queue in QueueName:
            await runtime.redis.delete(stream(settings.redis_prefix, queue))
        await office.assigned_task()
        (row,) = await office.ended("mail_notice")
    assert row.state == "done"


async def test_a_worker_survives_lost_connections(office: Office, settings: Settings) -> None:
    redis = office.runtime.redis
    async with working(settings):
        await until(lambda: ready(office.runtime))
        await redis.client_kill_filter(_type="normal", skipme=True)  # pyright: ignore[reportUnknownMemberType]  # untyped options
        await office.assigned_task()
        (row,) = await office.ended("mail_notice")
        assert row.state == "done"
        async with office.runtime.db.connection() as db:
            await db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await until(lambda: reconnected(office))
        await office.person("Carl")
        await insert(office.runtime, new_job(args={}))
        rows = await office.ended("mail_notice", 2)
    assert sorted(row.state for row in rows) == ["dead", "done"]


async def reconnected(office: Office) -> bool:
    try:
        await office.runtime.store.head()
    except psycopg.OperationalError:
        return False
    return True


async def test_hints_that_nobody_acknowledged_are_cleared_away(
    office: Office, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, quick in (("IDLE_MS", 50), ("BLOCK_MS", 100), ("RECLAIM_S", 0.1)):
        monkeypatch.setattr(broker, name, quick)
    redis, name = office.runtime.redis, stream(settings.redis_prefix, EMAIL)
    await send_hints(redis, settings.redis_prefix, {EMAIL: 1})
    await redis.xgroup_create(name, GROUP, id="0")
    assert await redis.xreadgroup(GROUP, "killed", {name: ">"})

    async def empty() -> bool:
        return await redis.xlen(name) == 0

    async with working(settings):
        await until(empty)


async def test_a_worker_too_old_for_the_log_stops(
    office: Office, settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    async with office.runtime.db.connection() as db:
        await db.execute(
            "INSERT INTO formula_events (originator_id, originator_version, topic, state)"
            " VALUES (%s, 1, 'task.teleported.v1', '{}')",
            (BOB,),
        )
    async with process(settings) as worker, asyncio.timeout(LIMIT_S):
        assert await worker.wait() == EXIT_UNKNOWN_TAG
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("formula: unknown event 'task.teleported.v1'")


async def test_hints_that_were_lost_are_sent_again(office: Office, settings: Settings) -> None:
    await office.assigned_task()
    async with working(msgspec.structs.replace(settings, redis_prefix=f"{os.getpid()}-elsewhere:")):
        await office.ended("mail_notice")
    (row,) = await office.jobs("mail_notice")
    await run_again(office.runtime, row.id)  # and nobody is told of it
    async with working(settings):
        (row,) = await office.ended("mail_notice")
    assert (row.state, row.attempts) == ("done", 2)


async def test_a_mail_waits_for_its_server(office: Office, settings: Settings) -> None:
    port = free_port()
    async with working(with_smtp(settings, port)):
        await office.assigned_task()

        async def failed() -> Sequence[JobRow]:
            return [row for row in await office.jobs("mail_notice") if row.error]

        assert "mail.no_connection" in str((await until(failed))[0].error)
        with mail_server(port) as mailbox:
            (row,) = await office.ended("mail_notice")
    assert row.state == "done"
    assert row.attempts > 1
    assert recipients(mailbox) == ["bob@example.com"]


async def test_arguments_that_cannot_be_read_are_dead_and_stop_nothing(
    office: Office, settings: Settings
) -> None:
    poison = new_job(name="mail_notice", args={"user": "nobody"})
    async with office.runtime.db.connection() as db:
        await insert_jobs(db, [poison])
    await office.runtime.redis.xadd(stream(settings.redis_prefix, "email"), {"data": b"\xff{"})
    async with working(settings):
        await office.assigned_task()
        rows = await office.ended("mail_notice", 2)
    assert sorted(row.state for row in rows) == ["dead", "done"]
    (dead,) = [row for row in rows if row.state == "dead"]
    assert dead.id == poison.id
    assert str(dead.error).startswith("unreadable arguments")


async def test_nothing_stays_in_the_streams(office: Office, settings: Settings) -> None:
    redis, prefix = office.runtime.redis, settings.redis_prefix
    async with working(settings):
        await office.assigned_task()
        await office.ended("mail_notice")
        await office.ended("notify_assigned")

        async def nothing_left() -> bool:  # a hint may come after the job that it is about
            waiting = await lengths(redis, prefix, list(QueueName))
            pending = await redis.xpending(stream(prefix, EMAIL), GROUP)
            return not any(waiting.values()) and pending["pending"] == 0

        await until(nothing_left)


async def test_a_leader_of_the_consumer_that_hangs_is_replaced(
    runtime: Runtime, settings: Settings
) -> None:
    async def leader() -> int | None:
        async with runtime.db.connection() as db:
            cursor = await db.execute(
                "SELECT pid FROM formula_nodes WHERE role = 'worker' AND detail->>'leads' = 'true'"
            )
            row: tuple[int] | None = await cursor.fetchone()
        return row and row[0]

    async def made() -> JobRow | None:
        async with runtime.db.connection() as db:
            return await get_job(db, job)

    async with process(settings) as first, process(settings) as second:
        pid = await until(leader)
        hangs = first if first.pid == pid else second
        hangs.send_signal(signal.SIGSTOP)
        job = runtime.new_id()
        await runtime.execute(SYSTEM, JOB, job, RequestJob(wanted=Wanted(args=Ping())))
        assert await until(made)


async def test_two_workers_do_each_job_once(office: Office, settings: Settings) -> None:
    ann, bob = await office.person("Ann"), await office.person("Bob")
    project = await office.project(ann, bob)
    port = free_port()
    with mail_server(port) as mailbox:
        settings = with_smtp(settings, port)
        async with working(settings), working(settings):
            for n in range(30):
                task = await office.task(project, ann, f"Task {n}")
                await office.assign(task, bob, ann)
            rows = await office.ended("mail_notice", 30)
    assert {row.attempts for row in rows} == {1}
    assert sorted(str(mail["Message-ID"]) for mail in mailbox.received) == sorted(
        f"<{row.id}@formula>" for row in rows
    )
