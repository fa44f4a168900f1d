"""Jobs over real Postgres, Valkey and SMTP: done once, whatever dies on the way."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from email.headerregistry import Address
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from domain.announcement import ANNOUNCEMENT, PublishAnnouncement
from domain.project import PROJECT, RemoveMember
from domain.user import USER, DeactivateUser, Role
from infra import jobs
from infra.eventstore.reader import reached
from infra.jobs import Claim, End, Hint, JobRow, JobState, NewJob
from infra.process import EXIT_UNKNOWN_TAG
from infra.runtime import SYSTEM, Origin, Runtime
from infra.settings import Settings, child_environment
from tests.workers.office import (
    AT,
    LIMIT_S,
    QUICK,
    Mailbox,
    Office,
    free_port,
    mail_server,
    until,
    working,
)
from workers import broker
from workers.broker import GROUP, rooms, send_hints, stream
from workers.consumer import CONSUMER
from workers.model import EMAIL, QUEUES

BOB, WORKER, OTHER = UUID(int=2), UUID(int=101), UUID(int=102)


@pytest.fixture
def office(runtime: Runtime) -> Office:
    return Office(runtime)


def recipients(mailbox: Mailbox) -> list[str]:
    found: Sequence[Address] = [one for mail in mailbox.received for one in mail["To"].addresses]
    return sorted(one.addr_spec for one in found)


def with_smtp(settings: Settings, port: int) -> Settings:
    return msgspec.structs.replace(settings, smtp_url=f"smtp://127.0.0.1:{port}")


@asynccontextmanager
async def process(settings: Settings) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A worker of its own process; killed if the test leaves it running."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.workers.lone_worker", env=child_environment(settings)
    )
    try:
        yield worker
    finally:
        if worker.returncode is None:
            worker.kill()
        await worker.wait()


# Events to mail


async def test_an_event_becomes_exactly_one_mail(office: Office, settings: Settings) -> None:
    port = free_port()
    with mail_server(port) as mailbox:
        async with working(with_smtp(settings, port)):
            await office.assigned_task()
            (row,) = await office.ended("mail_assigned")
    (mail,) = mailbox.received
    assert mail["Subject"] == "Ann Lee assigned “Draw the arch” to you"
    assert mail["Message-ID"] == f"<{row.id}@formula>"
    assert (row.state, row.attempts) == ("done", 1)


async def test_each_person_mentioned_gets_a_mail_with_the_words(
    office: Office, settings: Settings
) -> None:
    ann, bob, eve = [await office.person(name) for name in ("Ann", "Bob", "Eve")]
    task = await office.task(await office.project(ann, bob, eve), ann)
    port = free_port()
    with mail_server(port) as mailbox:
        async with working(with_smtp(settings, port)):
            await office.comment(task, ann, "<b>look</b> & tell", bob, eve, ann)
            await office.ended("mail_mentioned", 2)
    assert recipients(mailbox) == ["bob@example.com", "eve@example.com"]
    text, html = (mailbox.received[0].get_body((form,)) for form in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "<b>look</b> & tell" in text.get_content()
    assert "&lt;b&gt;look&lt;/b&gt; &amp; tell" in html.get_content()


async def test_who_may_not_read_the_project_hears_nothing_of_it(
    office: Office, settings: Settings
) -> None:
    ann, bob, eve = [await office.person(name) for name in ("Ann", "Bob", "Eve")]
    project = await office.project(ann, bob)
    task = await office.task(project, ann)
    await office.runtime.execute(Origin(ann), PROJECT, project, RemoveMember(user=bob))
    async with working(settings):
        await office.comment(task, ann, "between us", bob, eve)
        rows = await office.ended("mail_mentioned", 2)
    assert [row.state for row in rows] == ["refused", "refused"]
    assert all(str(row.error).startswith("access.denied") for row in rows)
    assert not settings.mailbox.exists()


async def test_a_refusal_is_recorded_and_not_tried_again(
    office: Office, settings: Settings
) -> None:
    bob = await office.assigned_task()
    await office.runtime.execute(SYSTEM, USER, bob, DeactivateUser())
    async with working(settings):
        (row,) = await office.ended("mail_assigned")
    assert (row.state, row.attempts) == ("refused", 1)
    assert str(row.error).startswith("user.not_active")


async def test_an_old_log_is_worked_from_its_beginning(office: Office, settings: Settings) -> None:
    await office.assigned_task()
    async with working(settings):
        (row,) = await office.ended("mail_assigned")
    assert [path.stem for path in settings.mailbox.glob("*.eml")] == [str(row.id)]


# Notifications


async def test_who_is_given_a_task_is_notified_once(office: Office, settings: Settings) -> None:
    async with working(settings):
        bob = await office.assigned_task()
        await office.ended("notify_assigned")
    sent = await notifications(office.runtime)
    assert [(one["user"], one["kind"], one["body"]) for one in sent] == [
        (str(bob), "task.assigned", "Draw the arch")
    ]


async def test_an_announcement_reaches_everybody_it_is_for_once(
    projected: Runtime, settings: Settings
) -> None:
    office, announcement = Office(projected), projected.new_id()
    members = [await office.person(f"Member {n}") for n in range(7)]
    await office.person("Guest", Role.GUEST)
    gone = await office.person("Gone")
    await projected.execute(SYSTEM, USER, gone, DeactivateUser())
    publish = PublishAnnouncement(title="Down at 8", roles=(Role.MEMBER,), at=AT)
    await projected.execute(SYSTEM, ANNOUNCEMENT, announcement, publish)
    async with working(settings):
        (row,) = await office.ended("announce")
        await run_again(projected, row.id)
        await office.ended("announce")
    sent = await notifications(projected)
    assert sorted(one["user"] for one in sent) == sorted(map(str, members))
    assert {one["title"] for one in sent} == {"Down at 8"}


async def notifications(runtime: Runtime) -> list[dict[str, Any]]:
    async with runtime.db.connection() as db:
        cursor = await db.execute(
            "SELECT data FROM formula_log WHERE tag = 'notification.sent.v1' ORDER BY position"
        )
        return [data for (data,) in await cursor.fetchall()]


async def run_again(runtime: Runtime, job: UUID) -> None:
    async with runtime.db.connection() as db:
        await db.execute(
            "UPDATE formula_jobs SET state = 'queued', finished_at = NULL WHERE id = %s", (job,)
        )


# What can go wrong


async def test_reading_the_log_again_makes_no_second_job(
    office: Office, settings: Settings
) -> None:
    async with working(settings):
        await office.assigned_task()
        (row,) = await office.ended("mail_assigned")
    async with office.runtime.db.connection() as db:
        await db.execute("UPDATE formula_checkpoints SET position = 0 WHERE name = %s", (CONSUMER,))
    head = await office.runtime.store.head()
    async with working(settings):
        assert await reached(office.runtime.db, CONSUMER, head, LIMIT_S)
    assert [(again.id, again.attempts) for again in await office.jobs("mail_assigned")] == [
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
            (row,) = await office.ended("mail_assigned")
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
        (row,) = await office.jobs("mail_assigned")
        assert (row.state, row.attempts, row.worker) == ("queued", 0, None)
        async with working(settings):
            (row,) = await office.ended("mail_assigned")
    assert (row.state, row.attempts) == ("done", 1)


async def test_an_idle_worker_stops_when_it_is_told_to(
    runtime: Runtime, settings: Settings
) -> None:
    async with process(settings) as worker:
        await until(lambda: ready(runtime))
        worker.terminate()
        async with asyncio.timeout(QUICK.stop_s):
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
        for queue in QUEUES:
            await runtime.redis.delete(stream(settings.redis_prefix, queue.name))
        await office.assigned_task()
        (row,) = await office.ended("mail_assigned")
    assert row.state == "done"


async def test_a_worker_survives_lost_connections(office: Office, settings: Settings) -> None:
    redis = office.runtime.redis
    async with working(settings):
        await until(lambda: ready(office.runtime))
        await redis.client_kill_filter(_type="normal", skipme=True)  # pyright: ignore[reportUnknownMemberType]  # untyped options
        await office.assigned_task()
        (row,) = await office.ended("mail_assigned")
        assert row.state == "done"
        async with office.runtime.db.connection() as db:
            await db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await until(lambda: reconnected(office))
        await office.person("Carl")
        await insert(office.runtime, new_job(args={}))
        rows = await office.ended("mail_assigned", 2)
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
    redis, name = office.runtime.redis, stream(settings.redis_prefix, EMAIL.name)
    hint = Hint(new_job().id, EMAIL.name, "mail_assigned")
    await send_hints(redis, settings.redis_prefix, [hint])
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
        await office.ended("mail_assigned")
    (row,) = await office.jobs("mail_assigned")
    await run_again(office.runtime, row.id)
    async with office.runtime.db.connection() as db:
        assert await jobs.unhinted(db, {"email": 10}, (), 0.0)  # told to a Redis that forgot it
    async with working(settings):
        (row,) = await office.ended("mail_assigned")
    assert (row.state, row.attempts) == ("done", 2)


async def test_a_mail_waits_for_its_server(office: Office, settings: Settings) -> None:
    port = free_port()
    async with working(with_smtp(settings, port)):
        await office.assigned_task()

        async def failed() -> Sequence[JobRow]:
            return [row for row in await office.jobs("mail_assigned") if row.error]

        assert "SMTPConnectError" in str((await until(failed))[0].error)
        with mail_server(port) as mailbox:
            (row,) = await office.ended("mail_assigned")
    assert row.state == "done"
    assert row.attempts > 1
    assert recipients(mailbox) == ["bob@example.com"]


async def test_arguments_that_cannot_be_read_are_dead_and_stop_nothing(
    office: Office, settings: Settings
) -> None:
    poison = new_job(name="mail_assigned", args={"user": "nobody"})
    async with office.runtime.db.connection() as db:
        await jobs.insert_jobs(db, [poison])
    await office.runtime.redis.xadd(stream(settings.redis_prefix, "email"), {"data": b"\xff{"})
    async with working(settings):
        await office.assigned_task()
        rows = await office.ended("mail_assigned", 2)
    assert sorted(row.state for row in rows) == ["dead", "done"]
    (dead,) = [row for row in rows if row.state == "dead"]
    assert dead.id == poison.id
    assert str(dead.error).startswith("unreadable arguments")


async def test_nothing_stays_in_the_streams(office: Office, settings: Settings) -> None:
    redis, prefix = office.runtime.redis, settings.redis_prefix
    async with working(settings):
        await office.assigned_task()
        await office.ended("mail_assigned")
        await office.ended("notify_assigned")
        assert set((await rooms(redis, prefix, QUEUES)).values()) == {5_000}
        pending = await redis.xpending(stream(prefix, EMAIL.name), GROUP)
        assert pending["pending"] == 0


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
            rows = await office.ended("mail_assigned", 30)
    assert {row.attempts for row in rows} == {1}
    assert sorted(str(mail["Message-ID"]) for mail in mailbox.received) == sorted(
        f"<{row.id}@formula>" for row in rows
    )


# Rows


def new_job(key: str = "k", name: str = "mail_assigned", **changed: Any) -> NewJob:
    job = NewJob(
        queue="email", name=name, consumer="test", position=1, key=key, args={}, max_attempts=2
    )
    return msgspec.structs.replace(job, **changed)


async def claimed(runtime: Runtime, job: NewJob, worker: UUID = WORKER) -> Claim:
    async with runtime.db.connection() as db:
        (claim,) = await jobs.claim(db, [job.id], worker, lease_s=60)
    return claim


async def state(runtime: Runtime, job: NewJob) -> JobRow:
    async with runtime.db.connection() as db:
        row = await jobs.get_job(db, job.id)
    assert row is not None
    return row


async def settle(runtime: Runtime, worker: UUID, *ends: End) -> dict[UUID, JobState]:
    async with runtime.db.connection() as db:
        return await jobs.settle(db, worker, ends, base_s=0.0, most_s=0.0)


async def insert(runtime: Runtime, *new: NewJob) -> int:
    async with runtime.db.connection() as db:
        return await jobs.insert_jobs(db, new)


async def test_the_same_job_is_stored_once(runtime: Runtime) -> None:
    assert await insert(runtime, new_job("a"), new_job("b"), new_job("a")) == 2
    assert await insert(runtime, new_job("a"), new_job("c")) == 1


async def test_a_job_is_claimed_by_one_worker(runtime: Runtime) -> None:
    job = new_job()
    await insert(runtime, job)
    await claimed(runtime, job)
    async with runtime.db.connection() as db:
        assert await jobs.claim(db, [job.id], OTHER, lease_s=60) == []


async def test_a_job_is_not_claimed_before_its_time(runtime: Runtime) -> None:
    job = new_job(run_at=runtime.now().replace(year=2100))
    await insert(runtime, job)
    async with runtime.db.connection() as db:
        assert await jobs.claim(db, [job.id], WORKER, lease_s=60) == []
        assert await jobs.unhinted(db, {"email": 10}, ("email",), 0.0) == []


async def test_only_who_holds_a_job_can_settle_it(runtime: Runtime) -> None:
    job = new_job()
    await insert(runtime, job)
    claim = await claimed(runtime, job)
    assert await settle(runtime, OTHER, End(job.id, claim.attempt)) == {}
    assert await settle(runtime, WORKER, End(job.id, claim.attempt + 1)) == {}
    assert await settle(runtime, WORKER, End(job.id, claim.attempt)) == {job.id: JobState.DONE}


async def test_failures_are_retried_until_the_attempts_are_used_up(runtime: Runtime) -> None:
    job = new_job()
    await insert(runtime, job)
    states: list[JobState] = []
    for attempt in (1, 2):
        await claimed(runtime, job)
        end = End(job.id, attempt, error="oh\x00 no", retry=True)
        states.append((await settle(runtime, WORKER, end))[job.id])
    assert states == [JobState.QUEUED, JobState.DEAD]
    row = await state(runtime, job)
    assert (row.error, row.attempts, row.worker) == ("oh no", 2, None)
    assert row.finished_at is not None


async def test_a_retry_waits_at_most_its_bound(runtime: Runtime) -> None:
    new = [new_job(str(n), max_attempts=9) for n in range(40)]
    await insert(runtime, *new)
    async with runtime.db.connection() as db:
        await jobs.claim(db, [job.id for job in new], WORKER, lease_s=60)
        before = runtime.now()
        ends = [End(job.id, 1, error="no", retry=True) for job in new]
        await jobs.settle(db, WORKER, ends, base_s=1_000.0, most_s=600.0)
    waits = [((await state(runtime, job)).run_at - before).total_seconds() for job in new]
    assert 300 < max(waits) < 601
    assert min(waits) < 300  # the jitter is full
    assert len(set(waits)) == len(waits)


async def test_a_lease_that_ran_out_puts_the_job_back(runtime: Runtime) -> None:
    job, kept = new_job("a"), new_job("b")
    await insert(runtime, job, kept)
    async with runtime.db.connection() as db:
        await jobs.claim(db, [job.id, kept.id], WORKER, lease_s=0.0)
        assert await jobs.renew_leases(db, WORKER, {kept.id: 1, job.id: 9}, 60) == {kept.id}
        assert await jobs.expire_leases(db) == 1
    assert (await state(runtime, job)).state == JobState.QUEUED
    assert (await state(runtime, kept)).state == JobState.RUNNING


async def test_a_job_that_kills_its_workers_ends_up_dead(runtime: Runtime) -> None:
    job = new_job()
    await insert(runtime, job)
    for _ in range(job.max_attempts):
        async with runtime.db.connection() as db:
            assert len(await jobs.claim(db, [job.id], WORKER, lease_s=0.0)) == 1
            assert await jobs.expire_leases(db) == 1
    assert (await state(runtime, job)).state == JobState.DEAD


async def test_released_jobs_lose_no_attempt(runtime: Runtime) -> None:
    job = new_job()
    await insert(runtime, job)
    claim = await claimed(runtime, job)
    async with runtime.db.connection() as db:
        await jobs.release(db, OTHER, {job.id: claim.attempt})
        assert (await state(runtime, job)).state == JobState.RUNNING
        await jobs.release(db, WORKER, {job.id: claim.attempt})
    row = await state(runtime, job)
    assert (row.state, row.attempts) == ("queued", 0)


async def test_hints_are_given_in_order_within_the_room_there_is(runtime: Runtime) -> None:
    new = [new_job(str(n), run_at=AT.replace(minute=n)) for n in range(5)]
    other = new_job("x", queue="reports")
    await insert(runtime, *reversed(new), other)
    async with runtime.db.connection() as db:
        first = await jobs.unhinted(db, {"email": 2, "reports": 0}, (), 0.0)
        second = await jobs.unhinted(db, {"email": 9}, (), 0.0)
        third = await jobs.unhinted(db, {"email": 9}, (), 0.0)
        early = await jobs.unhinted(db, {"email": 9}, ("email",), 60.0)
        again = await jobs.unhinted(db, {"email": 9}, ("email",), 0.0)
    assert {hint.id for hint in first} == {job.id for job in new[:2]}
    assert {hint.id for hint in second} == {job.id for job in new[2:]}
    assert third == early == []
    assert len(again) == 5


async def test_operators_list_and_count_jobs(runtime: Runtime) -> None:
    new = [new_job(str(n), queue="email" if n % 2 else "reports") for n in range(5)]
    await insert(runtime, *new, new_job("bad", error="ValueError('no')"))
    async with runtime.db.connection() as db:
        counted = {(one.queue, one.state): one.jobs for one in await jobs.counts(db)}
        page = await jobs.list_jobs(db, state=JobState.QUEUED, limit=3)
        rest = await jobs.list_jobs(
            db, state=JobState.QUEUED, after=(page[-1].made_at, page[-1].id), limit=3
        )
        reports = await jobs.list_jobs(db, queue="reports")
    assert counted == {("email", "queued"): 2, ("email", "dead"): 1, ("reports", "queued"): 3}
    assert sorted(row.id for row in [*page, *rest]) == sorted(job.id for job in new)
    assert {row.queue for row in reports} == {"reports"}
    assert len(reports) == 3
