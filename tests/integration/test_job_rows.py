"""The rows of jobs: stored once, claimed by one, settled by whoever holds them."""

from typing import Any
from uuid import UUID

import msgspec

from infra import jobs
from infra.jobs import Claim, End, JobRow, JobState, NewJob
from infra.runtime import Runtime
from tests.workers.office import (
    AT,
)

WORKER, OTHER = UUID(int=101), UUID(int=102)


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
