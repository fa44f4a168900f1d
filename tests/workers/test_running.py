"""Whatever a job does, its row says how it ended, and the next one runs."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from domain.errors import Invalid
from domain.job_args import Ping, QueueName
from domain.jobs import JOB, RequestJob, Wanted
from infra.jobs.board import look
from infra.jobs.model import OVER, Claim, End, NewJob
from infra.jobs.queues import Queue
from infra.jobs.reading import JobRow, get_job
from infra.jobs.working import Exchanged, exchange
from infra.runtime import SYSTEM, Runtime
from infra.settings import Settings
from tests.infra.until import wait_until
from tests.integration.test_job_rows import claim, insert, new_job, state
from tests.workers.office import QUICK, until
from workers.lane import Attempt, Crew, Lane
from workers.leases import Leases
from workers.main import run_worker
from workers.model import Context, Job
from workers.owners import Owners

QUEUE = QueueName.EMAIL


class Answer(msgspec.Struct, frozen=True):
    text: str


Run = Callable[[Context, Ping], Awaitable[Answer | None]]


@asynccontextmanager
async def working(settings: Settings, run: Run, timeout_s: float = 60.0) -> AsyncGenerator[None]:
    """A worker whose pings do that."""
    kind = Job("ping", QUEUE, Ping, run, timeout_s=timeout_s)
    async with asyncio.TaskGroup() as tasks:
        worker = tasks.create_task(run_worker(settings, (QUEUE.value,), QUICK, (kind,)))
        yield
        worker.cancel()


async def ask(runtime: Runtime, **wanted: object) -> UUID:
    job = runtime.new_id()
    command = RequestJob(wanted=msgspec.structs.replace(Wanted(args=Ping(queue=QUEUE)), **wanted))
    await runtime.execute(SYSTEM, JOB, job, command)
    return job


async def over(runtime: Runtime, job: UUID) -> JobRow:
    async def look() -> JobRow | None:
        async with runtime.db.connection() as db:
            row = await get_job(db, job)
        return row if row is not None and row.state in OVER else None

    row = await until(look)
    assert row is not None
    return row


@pytest.fixture
def once(settings: Settings) -> Settings:
    """Each job is tried once more."""
    return msgspec.structs.replace(settings, email_retries=1, email_workers=2)


async def test_a_job_that_cancels_itself_has_failed(runtime: Runtime, once: Settings) -> None:
    async def cancels(_context: Context, _args: Ping) -> None:
        raise asyncio.CancelledError

    async with working(once, cancels):
        row = await over(runtime, await ask(runtime))
    assert (row.state, row.attempts, row.error) == ("dead", 2, "it cancelled itself")


async def test_what_escapes_an_attempt_has_failed(runtime: Runtime, once: Settings) -> None:
    async def refuses(_context: Context, _args: Ping) -> None:
        raise Invalid("job.bad", text="\udc80")  # no JSON can tell it

    async with working(once, refuses):
        row = await over(runtime, await ask(runtime))
    assert (row.state, row.attempts) == ("dead", 2)
    assert "UnicodeEncodeError" in str(row.error)


async def test_without_redis_workers_look_at_the_rows(runtime: Runtime, once: Settings) -> None:
    """Also for what waits to be tried again, of which nobody tells."""
    alone = msgspec.structs.replace(once, redis_url="redis://127.0.0.1:1")
    tried: list[UUID] = []

    async def fails_once(context: Context, _args: Ping) -> None:
        tried.append(context.job)
        if len(tried) == 1:
            raise ValueError("not yet")

    job = await ask(runtime)
    async with working(alone, fails_once):
        row = await over(runtime, job)
    assert (row.state, tried) == ("done", [job, job])


async def test_a_loop_that_is_kept_busy_loses_no_lease(runtime: Runtime) -> None:
    lost: list[UUID] = []
    lease_s = 0.4
    job = new_job()
    await insert(runtime, job)
    (held,) = await claim(runtime, worker=runtime.node, lease_s=lease_s)
    leases = Leases(
        runtime.settings.database_url, runtime.node, lease_s, lambda one, _attempt: lost.append(one)
    )
    leases.held[held.id] = held.attempt
    over = runtime.now() + timedelta(seconds=3 * lease_s)
    with psycopg.connect(runtime.settings.database_url, autocommit=True) as db:
        async with leases:
            wait_until(lambda: leased_until(db, job) > over)  # and no turn of the loop meanwhile
    assert lost == []


def leased_until(db: psycopg.Connection, job: NewJob) -> datetime:
    row = db.execute("SELECT lease_until FROM formula_jobs WHERE id = %s", (job.id,)).fetchone()
    assert row is not None
    return row[0]


async def test_a_job_that_takes_too_long_is_stopped_and_tried_again(
    runtime: Runtime, once: Settings
) -> None:
    async def hangs(_context: Context, _args: Ping) -> None:
        await asyncio.Event().wait()

    async with working(once, hangs, timeout_s=0.1):
        row = await over(runtime, await ask(runtime))
    assert (row.state, row.attempts) == ("dead", 2)
    assert row.error == "TimeoutError: not done within 0.1 s"


async def test_the_settings_say_how_long_jobs_of_a_queue_may_take(
    runtime: Runtime, once: Settings
) -> None:
    async def hangs(_context: Context, _args: Ping) -> None:
        await asyncio.Event().wait()

    async with working(msgspec.structs.replace(once, email_timeout_s=1), hangs):
        row = await over(runtime, await ask(runtime))
    assert (row.state, row.attempts) == ("dead", 2)
    assert row.error == "TimeoutError: not done within 1 s"


async def test_the_settings_say_how_long_leases_and_pauses_are(
    runtime: Runtime, once: Settings
) -> None:
    """Were the pause as it is by default, the second try would be far off."""
    leases: list[float] = []

    async def fails(context: Context, _args: Ping) -> None:
        async with runtime.db.connection() as db:
            cursor = await db.execute(
                "SELECT extract(epoch FROM lease_until - started_at) FROM formula_jobs"
                " WHERE id = %s",
                (context.job,),
            )
            leases.extend(float(seconds) for (seconds,) in await cursor.fetchall())
        raise ValueError("not yet")

    given = msgspec.structs.replace(
        once, email_retries=2, job_lease_s=40.0, job_retry_base_s=3_600.0, job_retry_most_s=0.1
    )
    kind = Job("ping", QUEUE, Ping, fails)
    async with asyncio.TaskGroup() as tasks:
        worker = tasks.create_task(run_worker(given, (QUEUE.value,), kinds=(kind,)))
        row = await over(runtime, await ask(runtime))
        worker.cancel()
    assert (row.state, row.attempts) == ("dead", 3)
    assert [round(seconds) for seconds in leases] == [40, 40, 40]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("well", {"text": "well"}),
        ("a\x00b", {"unreadable": "text with U+0000, which Postgres cannot keep"}),
        ("x" * 70_000, {"too_large": 70_011}),
    ],
    ids=["well", "nul", "large"],
)
async def test_what_it_answers_is_kept_as_far_as_it_can_be(
    runtime: Runtime, once: Settings, text: str, kept: object
) -> None:
    async def answers(_context: Context, _args: Ping) -> Answer:
        return Answer(text)

    async with working(once, answers):
        row = await over(runtime, await ask(runtime))
    assert (row.state, row.result) == ("done", kept)


async def test_an_error_in_no_encoding_stops_nothing(runtime: Runtime, once: Settings) -> None:
    async def fails(_context: Context, _args: Ping) -> None:
        raise TimeoutError("no \udc80\x00 way")

    async with working(once, fails):
        row = await over(runtime, await ask(runtime))
    assert (row.state, row.error) == ("dead", "TimeoutError: no ? way")


async def test_no_more_run_at_a_time_than_there_are_places(
    runtime: Runtime, once: Settings
) -> None:
    running, most = 0, 0

    async def counts(_context: Context, _args: Ping) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    async with working(once, counts):
        for job in [await ask(runtime) for _ in range(20)]:
            await over(runtime, job)
    assert 0 < most <= 2


async def test_a_queue_with_a_rate_hands_out_no_more(runtime: Runtime, once: Settings) -> None:
    slow = msgspec.structs.replace(once, email_per_minute=120)
    begun: list[float] = []

    async def notes(_context: Context, _args: Ping) -> None:
        begun.append(asyncio.get_running_loop().time())

    jobs = [await ask(runtime) for _ in range(7)]
    started = asyncio.get_running_loop().time()
    async with working(slow, notes):
        for job in jobs:
            await over(runtime, job)
    assert begun[-1] - started > 3.4, "seven at two a second, and nothing saved up before"


@asynccontextmanager
async def lane(runtime: Runtime, attempt: Attempt, **rule: int) -> AsyncGenerator[Lane]:
    def freed(_queues: Mapping[str, int]) -> None: ...

    async with Owners(runtime) as owners:
        crew = Crew(runtime, QUICK.times, ("mail_notice",), {}, attempt, freed, owners)
        one = Lane(Queue("email", 2, 3, **rule), crew)
        running = asyncio.create_task(one.run())
        yield one
        running.cancel()


async def test_a_busy_lane_saves_no_hints_up(runtime: Runtime) -> None:
    """Each of them is a job that its queue's rate lets through."""
    go, started = asyncio.Event(), list[UUID]()

    async def attempt(claim: Claim, _progress: object) -> End:
        started.append(claim.id)
        await go.wait()
        return End(claim.id, claim.attempt)

    await insert(runtime, *(new_job(str(n)) for n in range(60)))
    async with lane(runtime, attempt, per_minute=60) as one:
        for _ in range(50):
            one.wake()
            await asyncio.sleep(0)
        go.set()
        await one.idle()
    assert len(started) <= 4, "two places, and a hint for each of them once more"


async def test_a_lane_that_is_just_claiming_does_not_rest(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any) -> Exchanged:
        entered.set()
        await go.wait()
        return await exchange(*arguments)

    async def attempt(claim: Claim, _progress: object) -> End:
        return End(claim.id, claim.attempt)

    monkeypatch.setattr("workers.lane.exchange", slow)
    job = new_job()
    await insert(runtime, job)
    async with lane(runtime, attempt) as one:
        one.wake()
        await entered.wait()
        one.close()
        resting = asyncio.create_task(one.idle())
        await asyncio.sleep(0)
        assert not resting.done()
        go.set()
        await resting
    assert (await state(runtime, job)).state == "done"


async def test_an_end_that_postgres_does_not_take_is_put_in_words(runtime: Runtime) -> None:
    """And those that are written with it are not done twice for its sake."""
    jobs, tried = [new_job(str(n), max_attempts=9) for n in range(4)], list[UUID]()
    results = {jobs[1].id: b"no json", jobs[2].id: b"{}"}
    gate = asyncio.Barrier(2)

    async def attempt(claim: Claim, _progress: object) -> End:
        tried.append(claim.id)
        await gate.wait()  # two and two end at once
        return End(claim.id, claim.attempt, result=results.get(claim.id))

    await insert(runtime, *jobs)
    async with lane(runtime, attempt) as one:
        one.wake()
        await until(lambda: all_over(runtime, jobs))
    rows = [await state(runtime, job) for job in jobs]
    assert [row.state for row in rows] == ["done", "dead", "done", "done"]
    assert str(rows[1].error).startswith("how it ended could not be written: 22P02")
    assert sorted(tried) == sorted(job.id for job in jobs)


async def all_over(runtime: Runtime, jobs: Sequence[NewJob]) -> bool:
    return all([(await state(runtime, job)).state in OVER for job in jobs])


async def test_what_this_version_does_not_know_waits_for_a_newer_worker(runtime: Runtime) -> None:
    newer, known = new_job("n", name="from_tomorrow", priority=0), new_job("k")

    async def attempt(claim: Claim, _progress: object) -> End:
        return End(claim.id, claim.attempt)

    await insert(runtime, newer, known)
    async with lane(runtime, attempt) as one:
        one.wake()
        await until(lambda: all_over(runtime, [known]))
        one.wake()
        await one.idle()
    row = await state(runtime, newer)
    assert (row.state, row.attempts) == ("queued", 0)


async def test_what_workers_ended_is_counted(runtime: Runtime, once: Settings) -> None:
    async def fails(_context: Context, _args: Ping) -> None:
        raise ValueError("no")

    async def counted() -> Mapping[str, Mapping[str, int]]:
        [email] = [one for one in await look(runtime) if one.queue == "email"]
        return email.ended

    async with working(once, fails):
        await over(runtime, await ask(runtime))
        [states] = (await until(counted)).values()
        assert states == {"queued": 1, "dead": 1}
    assert await counted() == {}, "who is gone counts no more"
