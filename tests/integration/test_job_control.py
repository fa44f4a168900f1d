"""What jobs wait for, and what operators do to them, in the rows."""

import asyncio
from uuid import UUID, uuid4

from infra.db import seconds
from infra.jobs import managing, working
from infra.jobs.making import insert_jobs
from infra.jobs.model import End, JobState, NewJob
from infra.jobs.reading import due
from infra.jobs.working import RENEW, renewal
from infra.runtime import Runtime
from tests.integration.test_job_rows import (
    OTHER,
    WORKER,
    claim,
    claimed,
    end,
    insert,
    new_job,
    settle,
    state,
)
from tests.workers.office import AT, until

ATTEMPTS = {"email": 2, "reports": 3}


async def states(runtime: Runtime, *jobs: NewJob) -> list[str]:
    return [(await state(runtime, job)).state for job in jobs]


async def cancel(runtime: Runtime, job: UUID, reason: str = "") -> list[UUID]:
    async with runtime.db.connection() as db, db.transaction():
        return await managing.cancel(db, job, reason)


async def retry(runtime: Runtime, job: UUID) -> int:
    async with runtime.db.connection() as db:
        return await managing.retry(db, job, ATTEMPTS)


# One at a time


async def test_a_second_one_of_its_kind_is_not_run_while_the_first_is_not_over(
    runtime: Runtime,
) -> None:
    first, second = new_job("a", singleton="daily"), new_job("b", singleton="daily")
    other = new_job("c", name="another", singleton="daily")
    assert await insert(runtime, first, second, other) == {first.id, other.id}
    row = await state(runtime, second)
    assert (row.state, row.error) == ("cancelled", f"there is one that is not over: {first.id}")
    await claim(runtime, 9)
    third = new_job("d", singleton="daily")
    assert await insert(runtime, third) == set()
    await settle(runtime, WORKER, End(first.id, 1))
    fourth = new_job("e", singleton="daily")
    assert await insert(runtime, fourth) == {fourth.id}


async def test_a_second_one_stays_in_its_batch_and_is_not_run_beside_the_first(
    runtime: Runtime,
) -> None:
    batch = UUID(int=7)
    one, two = (new_job(key, singleton="s", batch=batch) for key in "ab")
    await insert(runtime, one, two)
    await claim(runtime, 9)
    assert (await state(runtime, two)).batch == batch
    assert await retry(runtime, two.id) == 0


async def test_any_of_a_kind_can_be_retried_by_itself(runtime: Runtime) -> None:
    one, two = sorted((new_job(key, singleton="s", error="no") for key in "ab"), key=lambda j: j.id)
    await insert(runtime, one, two)
    assert await retry(runtime, two.id) == 1
    assert await states(runtime, one, two) == ["dead", "queued"]


# After others


async def test_a_job_runs_when_those_that_it_needs_are_done(runtime: Runtime) -> None:
    one, two = new_job("1"), new_job("2", queue="reports")
    last = new_job("last", needs=(one.id, two.id))
    await insert(runtime, one, two, last)
    assert (await state(runtime, last)).needs == 2
    await end(runtime, one)
    assert await states(runtime, last) == ["blocked"]
    (held,) = await claim(runtime, queue="reports")
    await settle(runtime, WORKER, End(two.id, held.attempt))
    assert await states(runtime, last) == ["queued"]
    await end(runtime, last)


async def test_what_is_over_already_is_not_waited_for(runtime: Runtime) -> None:
    one, unknown = new_job("1"), UUID(int=404)
    await insert(runtime, one)
    await end(runtime, one)
    last = new_job("last", needs=(one.id, unknown))
    await insert(runtime, last)
    assert await states(runtime, last) == ["queued"]


async def test_a_job_whose_need_came_to_nothing_is_cancelled_and_so_are_those_behind(
    runtime: Runtime,
) -> None:
    one = new_job("1")
    last = new_job("last", needs=(one.id,))
    behind = new_job("behind", needs=(last.id,))
    await insert(runtime, one, last, behind)
    await end(runtime, one, JobState.REFUSED)
    assert await states(runtime, last, behind) == ["cancelled", "cancelled"]
    assert str(one.id) in str((await state(runtime, last)).error)
    late = new_job("late", needs=(one.id,))
    await insert(runtime, late)
    assert await states(runtime, late) == ["cancelled"]


async def test_a_dead_job_may_be_tried_again_and_what_needs_it_waits(runtime: Runtime) -> None:
    one = new_job("1", max_attempts=1)
    last, report = new_job("last", needs=(one.id,)), new_job("r", needs=(one.id,), anyway=True)
    await insert(runtime, one, last, report)
    await claimed(runtime, one)
    await settle(runtime, WORKER, End(one.id, 1, error="no", retry=True))
    assert await states(runtime, one, last, report) == ["dead", "blocked", "queued"]
    await end(runtime, report)
    assert await retry(runtime, one.id) == 1
    await end(runtime, one)
    assert await states(runtime, last, report) == ["queued", "done"]


async def test_a_worker_lost_for_good_frees_who_waits_anyway(runtime: Runtime) -> None:
    one = new_job("1", max_attempts=1)
    then = new_job("then", needs=(one.id,), anyway=True)
    await insert(runtime, one, then)
    await claim(runtime, lease_s=0.0)
    async with runtime.db.connection() as db:
        await working.expire_leases(db, await seconds(db))
    assert await states(runtime, one, then) == ["dead", "queued"]


async def test_who_waits_for_a_lost_worker_s_job_waits_on(runtime: Runtime) -> None:
    one, other = new_job("1", max_attempts=3), new_job("2", max_attempts=3)
    last = new_job("last", needs=(one.id,))
    then = new_job("then", needs=(one.id, other.id), anyway=True)
    await insert(runtime, one, other, last, then)
    await claim(runtime, 2, lease_s=0.0)
    async with runtime.db.connection() as db:
        await working.expire_leases(db, await seconds(db))
    assert await states(runtime, one, other, last, then) == ["queued"] * 2 + ["blocked"] * 2


async def test_what_is_cancelled_waits_for_nothing_that_it_would_keep(runtime: Runtime) -> None:
    refused, dead = new_job("r"), new_job("d", error="no")
    last = new_job("last", needs=(refused.id, dead.id))
    await insert(runtime, refused, dead, last)
    await end(runtime, refused, JobState.REFUSED)
    async with runtime.db.connection() as db:
        await db.execute("UPDATE formula_jobs SET finished_at = finished_at - interval '1 hour'")
        assert await managing.prune(db, ["email"], done_s=60, dead_s=60) == 3


async def test_who_comes_while_its_need_is_settled_is_not_forgotten(runtime: Runtime) -> None:
    """Whoever is second waits for the other's lock, and then sees what that one did."""
    one = new_job("1")
    last = new_job("last", needs=(one.id,))
    await insert(runtime, one)
    held = await claimed(runtime, one)
    async with runtime.db.connection() as mine, mine.transaction():
        await insert_jobs(mine, [last])
        settling = asyncio.create_task(settle(runtime, WORKER, End(one.id, held.attempt)))
        await until(lambda: waits_for_a_lock(runtime))
    assert await settling == {one.id: JobState.DONE}
    assert await states(runtime, last) == ["queued"]


async def waits_for_a_lock(runtime: Runtime) -> bool:
    async with runtime.db.connection() as db:
        cursor = await db.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return await cursor.fetchone() == (1,)


# Operators


async def test_a_cancelled_job_is_lost_to_its_worker(runtime: Runtime) -> None:
    waits, runs, needs = new_job("w", priority=9), new_job("r", priority=0), new_job("n")
    needs = new_job("n", needs=(waits.id,))
    await insert(runtime, waits, runs, needs)
    (held,) = await claim(runtime)
    assert held.id == runs.id
    await cancel(runtime, runs.id, "no longer wanted")
    await cancel(runtime, waits.id)
    assert await settle(runtime, WORKER, End(runs.id, held.attempt)) == {}
    assert await states(runtime, waits, runs, needs) == ["cancelled"] * 3
    assert (await state(runtime, runs)).error == "no longer wanted"
    await cancel(runtime, runs.id, "again")
    assert (await state(runtime, runs)).error == "no longer wanted"


async def test_a_batch_is_cancelled_and_retried_whole(runtime: Runtime) -> None:
    batch = UUID(int=7)
    one, two, done = (new_job(key, batch=batch) for key in ("1", "2", "d"))
    await insert(runtime, done)
    await end(runtime, done)
    await insert(runtime, one, two)
    await cancel(runtime, batch)
    assert await states(runtime, one, two, done) == ["cancelled", "cancelled", "done"]
    assert await retry(runtime, batch) == 2
    assert await states(runtime, one, two, done) == ["queued", "queued", "done"]
    async with runtime.db.connection() as db:
        counted = await managing.outcomes(db, batch, one.id)
    assert counted == {JobState.QUEUED: 1, JobState.DONE: 1}


async def test_a_retry_is_a_new_try_that_an_old_worker_cannot_settle(runtime: Runtime) -> None:
    job = new_job(max_attempts=1)
    await insert(runtime, job)
    old = await claimed(runtime, job)
    await cancel(runtime, job.id)
    assert await retry(runtime, job.id) == 1
    row = await state(runtime, job)
    assert (row.state, row.attempts, row.max_attempts) == ("queued", 1, 3)
    new = await claimed(runtime, job)
    assert await settle(runtime, WORKER, End(job.id, old.attempt)) == {}
    assert await settle(runtime, WORKER, End(job.id, new.attempt)) == {job.id: JobState.DONE}
    assert await retry(runtime, job.id) == 0, "what is done is done"


async def test_no_retry_makes_a_second_one_of_its_kind(runtime: Runtime) -> None:
    dead = [new_job(key, singleton="s", error="no") for key in "ab"]
    await insert(runtime, *dead)
    async with runtime.db.connection() as db:
        assert await managing.retry_dead(db, "email", "", ATTEMPTS) == 1
        assert await managing.retry_dead(db, "email", "", ATTEMPTS) == 0


async def test_all_dead_jobs_of_a_queue_or_of_a_name(runtime: Runtime) -> None:
    mine = [new_job(key, error="no") for key in "ab"]
    other = new_job("c", name="another", error="no")
    elsewhere = new_job("d", queue="reports", error="no")
    await insert(runtime, *mine, other, elsewhere)
    async with runtime.db.connection() as db:
        assert await managing.retry_dead(db, "email", "another", ATTEMPTS) == 1
        assert await managing.retry_dead(db, "email", "", ATTEMPTS) == 2
    assert await states(runtime, *mine, other, elsewhere) == ["queued"] * 3 + ["dead"]


async def test_the_dead_are_called_off_with_what_needs_them(runtime: Runtime) -> None:
    dead = [new_job(key, error="no") for key in "abc"]
    other = new_job("d", name="another", error="no")
    await insert(runtime, *dead, other)
    behind = new_job("behind", needs=(dead[0].id, dead[1].id))
    await insert(runtime, behind)
    assert await cancel(runtime, dead[2].id) == [dead[2].id]
    async with runtime.db.connection() as db:
        gone = await managing.discard_dead(db, "email", "mail_notice", "of no use")
        assert set(gone) == {dead[0].id, dead[1].id, behind.id}
        assert await managing.discard_dead(db, "email", "mail_notice", "of no use") == []
    assert await states(runtime, *dead, behind, other) == ["cancelled"] * 4 + ["dead"]
    assert (await state(runtime, dead[0])).error == "of no use"


async def test_of_a_batch_only_one_of_a_kind_is_tried_again(runtime: Runtime) -> None:
    batch = uuid4()
    same = [new_job(key, singleton="s", batch=batch) for key in "abc"]
    await insert(runtime, *same)
    await cancel(runtime, batch)
    assert await states(runtime, *same) == ["cancelled"] * 3
    assert await retry(runtime, batch) == 1
    assert sorted(await states(runtime, *same)) == ["cancelled", "cancelled", "queued"]
    assert await retry(runtime, batch) == 0, "one of them waits"


async def test_what_was_due_before_a_clock_was_set_back_still_is(runtime: Runtime) -> None:
    made, later = new_job("made"), new_job("later")
    await insert(runtime, made, later)
    async with runtime.db.connection() as db:
        await db.execute(
            "UPDATE formula_jobs SET run_at = run_at + interval '1 hour'"
            " * CASE WHEN id = %s THEN 1 ELSE 2 END",
            (made.id,),
        )
        await working.set_back(db, 3_601.0)
    await claimed(runtime, made)


async def test_no_lease_outlives_a_clock_that_was_set_back(runtime: Runtime) -> None:
    job = new_job()
    await insert(runtime, job)
    other = new_job("other")
    await insert(runtime, other)
    first, second = await claim(runtime, 2, lease_s=3_603.0)
    async with runtime.db.connection() as db:
        now = await seconds(db)
        renewed = renewal(WORKER, {second.id: second.attempt}, 30.0)
        await db.execute(RENEW, renewed)  # by the new time
        await working.set_back(db, 3_600.0)
        assert (await working.expire_leases(db, now + 2.0))[0] == {}
        assert (await working.expire_leases(db, now + 5.0))[0] == {first.id: JobState.QUEUED}
        assert (await working.expire_leases(db, now + 31.0))[0] == {second.id: JobState.QUEUED}


async def test_nothing_is_claimed_of_a_paused_queue(runtime: Runtime) -> None:
    job, other = new_job(), new_job("o", queue="reports")
    await insert(runtime, job, other)
    async with runtime.db.connection() as db:
        await managing.pause(db, "email", AT, OTHER, "the server is full")
        assert await due(db, {"email": 9, "reports": 9}) == {"reports": 1}
        assert await claim(runtime) == []
        assert len(await claim(runtime, queue="reports")) == 1
        await managing.resume(db, "email")
    await claimed(runtime, job)


async def test_old_jobs_go_with_their_logs_and_dead_ones_later(runtime: Runtime) -> None:
    done, dead, needed = new_job("done"), new_job("dead", error="no"), new_job("x", error="no")
    waits = new_job("waits", needs=(needed.id,))
    await insert(runtime, done)
    await end(runtime, done)
    await insert(runtime, dead, needed, waits)
    async with runtime.db.connection() as db:
        await db.execute("UPDATE formula_jobs SET finished_at = finished_at - interval '1 hour'")
        await db.execute(
            "INSERT INTO formula_job_log (job, attempt, level, line) VALUES (%s, 1, 'info', 'x')",
            (done.id,),
        )
        queues = ["email"]
        assert await managing.prune(db, queues, done_s=60, dead_s=7_200) == 1
        cursor = await db.execute("SELECT count(*) FROM formula_job_log")
        assert await cursor.fetchone() == (0,)
        assert await managing.prune(db, queues, done_s=60, dead_s=60) == 1
    assert await states(runtime, needed, waits) == ["dead", "blocked"]
