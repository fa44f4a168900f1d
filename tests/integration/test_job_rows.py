"""The rows of jobs: stored once, claimed by one, settled by whoever holds them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from infra.db import seconds
from infra.jobs import working
from infra.jobs.making import insert_jobs
from infra.jobs.model import Claim, End, JobState, NewJob
from infra.jobs.reading import Filter, JobRow, due, get_job, lines, list_jobs
from infra.jobs.stats import stats
from infra.jobs.working import RENEW, Times, renewal
from infra.runtime import Runtime
from tests.workers.office import AT

WORKER, OTHER = UUID(int=101), UUID(int=102)


def new_job(key: str = "k", name: str = "mail_notice", **changed: Any) -> NewJob:
    job = NewJob(
        queue="email", name=name, consumer="test", position=1, key=key, args={}, max_attempts=2
    )
    return msgspec.structs.replace(job, **changed)


async def insert(runtime: Runtime, *new: NewJob) -> set[UUID]:
    async with runtime.db.connection() as db:
        return await insert_jobs(db, new)


async def claim(
    runtime: Runtime,
    most: int = 1,
    worker: UUID = WORKER,
    lease_s: float = 60,
    queue: str = "email",
) -> list[Claim]:
    async with runtime.db.connection() as db:
        return await working.claim(db, {queue: most}, worker, lease_s)


async def claimed(runtime: Runtime, job: NewJob, worker: UUID = WORKER) -> Claim:
    """The only one that waits."""
    (claim_,) = await claim(runtime, 9, worker)
    assert claim_.id == job.id
    return claim_


async def state(runtime: Runtime, job: NewJob) -> JobRow:
    async with runtime.db.connection() as db:
        row = await get_job(db, job.id)
    assert row is not None
    return row


async def settle(runtime: Runtime, worker: UUID, *ends: End) -> dict[UUID, JobState]:
    async with runtime.db.connection() as db:
        states, _ = await working.settle(db, worker, ends, Times(retry_base_s=0.0))
    return states


async def end(runtime: Runtime, job: NewJob, how: JobState = JobState.DONE) -> None:
    """Claim the only job that waits, and end it so."""
    held = await claimed(runtime, job)
    assert await settle(runtime, WORKER, End(job.id, held.attempt, how)) == {job.id: how}


async def expire(runtime: Runtime) -> int:
    async with runtime.db.connection() as db:
        lost, _ = await working.expire_leases(db, await seconds(db))
        return len(lost)


async def test_the_same_job_is_stored_once(runtime: Runtime) -> None:
    a, b, c = (new_job(key) for key in "abc")
    assert await insert(runtime, a, b, a) == {a.id, b.id}
    assert await insert(runtime, a, c) == {c.id}


async def test_a_job_is_claimed_by_one_worker(runtime: Runtime) -> None:
    job = new_job()
    await insert(runtime, job)
    await claimed(runtime, job)
    assert await claim(runtime, worker=OTHER) == []


async def test_a_job_is_not_claimed_before_its_time(runtime: Runtime) -> None:
    await insert(runtime, new_job(run_at=runtime.now().replace(year=2100)))
    assert await claim(runtime) == []
    async with runtime.db.connection() as db:
        assert await due(db, {"email": 9}) == {"email": 0}


async def test_jobs_are_claimed_by_priority_and_then_by_time(runtime: Runtime) -> None:
    late, soon, urgent = (
        new_job("late", run_at=AT.replace(minute=2)),
        new_job("soon", run_at=AT.replace(minute=1)),
        new_job("urgent", run_at=AT.replace(minute=3), priority=0),
    )
    idle = new_job("idle", run_at=AT, priority=9)
    await insert(runtime, idle, late, soon, urgent)
    order = [(await claim(runtime))[0].id for _ in range(4)]
    assert order == [urgent.id, soon.id, late.id, idle.id]


async def test_only_who_holds_a_job_can_settle_it(runtime: Runtime) -> None:
    job = new_job()
    await insert(runtime, job)
    held = await claimed(runtime, job)
    assert await settle(runtime, OTHER, End(job.id, held.attempt)) == {}
    assert await settle(runtime, WORKER, End(job.id, held.attempt + 1)) == {}
    assert await settle(runtime, WORKER, End(job.id, held.attempt)) == {job.id: JobState.DONE}


async def test_what_a_job_returned_is_kept(runtime: Runtime) -> None:
    job = new_job()
    await insert(runtime, job)
    await claimed(runtime, job)
    await settle(runtime, WORKER, End(job.id, 1, result=b'{"rows":3}'))
    assert (await state(runtime, job)).result == {"rows": 3}


async def test_failures_are_retried_until_the_attempts_are_used_up(runtime: Runtime) -> None:
    job = new_job()
    await insert(runtime, job)
    states: list[JobState] = []
    for attempt in (1, 2):
        await claimed(runtime, job)
        failed = End(job.id, attempt, error=f"oh\x00 no {attempt}", retry=True)
        states.append((await settle(runtime, WORKER, failed))[job.id])
    assert states == [JobState.QUEUED, JobState.DEAD]
    row = await state(runtime, job)
    assert (row.error, row.attempts, row.worker) == ("oh no 2", 2, None)
    assert row.finished_at is not None
    async with runtime.db.connection() as db:
        history = [(one.attempt, one.level, one.line) for one in await lines(db, job.id)]
    assert history == [(1, "error", "oh no 1"), (2, "error", "oh no 2")]


async def test_a_retry_waits_at_most_its_bound(runtime: Runtime) -> None:
    new = [new_job(str(n), max_attempts=9) for n in range(40)]
    await insert(runtime, *new)
    await claim(runtime, 40)
    before = runtime.now()
    async with runtime.db.connection() as db:
        ends = [End(job.id, 1, error="no", retry=True) for job in new]
        await working.settle(db, WORKER, ends, Times(retry_base_s=1_000.0))
    after = runtime.now()
    starts = [(await state(runtime, job)).run_at for job in new]
    assert max(starts) > before + timedelta(seconds=300)
    assert max(starts) <= after + timedelta(seconds=601)
    assert min(starts) < after + timedelta(seconds=300)  # the jitter is full
    assert len(set(starts)) == len(starts)


async def test_a_lease_that_ran_out_puts_the_job_back(runtime: Runtime) -> None:
    job, kept = new_job("a"), new_job("b")
    await insert(runtime, job, kept)
    await claim(runtime, 2, lease_s=0.0)
    async with runtime.db.connection() as db:
        cursor = await db.execute(RENEW, renewal(WORKER, {kept.id: 1, job.id: 9}, 60))
        assert await cursor.fetchall() == [(kept.id,)]
    assert await expire(runtime) == 1
    assert (await state(runtime, job)).state == JobState.QUEUED
    assert (await state(runtime, kept)).state == JobState.RUNNING


async def test_a_job_that_kills_its_workers_ends_up_dead(runtime: Runtime) -> None:
    job = new_job()
    await insert(runtime, job)
    for _ in range(job.max_attempts):
        assert len(await claim(runtime, lease_s=0.0)) == 1
        assert await expire(runtime) == 1
    assert (await state(runtime, job)).state == JobState.DEAD


async def test_released_jobs_lose_no_attempt(runtime: Runtime) -> None:
    job = new_job()
    await insert(runtime, job)
    held = await claimed(runtime, job)
    async with runtime.db.connection() as db:
        await working.release(db, OTHER, {job.id: held.attempt})
        assert (await state(runtime, job)).state == JobState.RUNNING
        await working.release(db, WORKER, {job.id: held.attempt})
    row = await state(runtime, job)
    assert (row.state, row.attempts) == ("queued", 0)


async def test_operators_list_and_search_jobs(runtime: Runtime) -> None:
    new = [new_job(str(n), queue="email" if n % 2 else "reports") for n in range(5)]
    await insert(runtime, *new, new_job("bad", error="ValueError('no')"))
    async with runtime.db.connection() as db:
        page = await list_jobs(db, Filter(state=JobState.QUEUED), limit=3)
        rest = await list_jobs(
            db, Filter(state=JobState.QUEUED), after=(page[-1].made_at, page[-1].id), limit=3
        )
        reports = await list_jobs(db, Filter(queue="reports"))
        bad = await list_jobs(db, Filter(text="valueerror"))
    assert sorted(row.id for row in [*page, *rest]) == sorted(job.id for job in new)
    assert {row.queue for row in reports} == {"reports"}
    assert len(reports) == 3
    assert [row.key for row in bad] == ["bad"]


async def test_the_queues_say_how_they_do(runtime: Runtime) -> None:
    later = runtime.now().replace(year=2100)
    jobs = [new_job(str(n), run_at=AT) for n in range(3)]
    await insert(runtime, *jobs, new_job("l", run_at=later), new_job("bad", error="no"))
    (held,) = await claim(runtime)
    await settle(runtime, WORKER, End(held.id, 1))
    await claim(runtime)
    async with runtime.db.connection() as db:
        email, reports = await stats(db, ["email", "reports"])
    assert (email.waiting, email.delayed, email.active, email.done, email.dead) == (1, 1, 1, 1, 1)
    assert email.oldest_s > 60
    assert (email.done_last_minute, email.failed_last_hour) == (1, 1)
    assert email.wait_p50_ms is not None
    assert email.run_p99_ms is not None
    assert (reports.queue, reports.waiting, reports.wait_p50_ms) == ("reports", 0, None)
