"""formula jobs: as over REST, for who is at the machine or, with --as, for a user."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from infra.jobs.making import insert_jobs
from infra.jobs.model import NewJob
from infra.jobs.reading import get_job
from infra.runtime import Runtime
from infra.settings import child_environment
from tests.integration.command import formula
from tests.integration.conftest import Api
from tests.integration.test_queue_alarms import served
from tests.workers.office import at_work, until


async def jobs(runtime: Runtime, *arguments: str) -> list[Any]:
    """What a command that succeeds prints as JSON lines."""
    code, out, err = await formula(runtime, "jobs", *arguments, "--json")
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


async def failed(runtime: Runtime, *arguments: str) -> str:
    """The one line of a command that fails."""
    code, out, err = await formula(runtime, "jobs", *arguments)
    assert (code, out) == (1, ""), err
    [line] = err.splitlines()
    return line


@asynccontextmanager
async def process(
    runtime: Runtime, *arguments: str
) -> AsyncGenerator[tuple[asyncio.subprocess.Process, asyncio.StreamReader]]:
    """`formula jobs` beside others, and what it prints; killed if the test leaves it running."""
    one = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from api.cli import main; main()", "jobs", *arguments),
        env=child_environment(runtime.settings),
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=_interruptible,
    )
    assert one.stdout is not None
    try:
        yield one, one.stdout
    finally:
        if one.returncode is None:
            one.kill()
        await one.wait()


def _interruptible() -> None:
    """Also where whoever runs the tests ignores SIGINT, as shells do for what is in background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def made(runtime: Runtime, error: str | None = None) -> UUID:
    """A job that nobody asked for."""
    new = NewJob(
        queue="reports",
        name="report_project",
        consumer="test",
        position=1,
        key=str(uuid4()),
        args={},
        max_attempts=1,
        error=error,
    )
    async with runtime.db.connection() as db:
        await insert_jobs(db, [new])
    return new.id


async def test_a_job_is_asked_for_watched_and_listed(api: Api) -> None:
    runtime, otto = api.runtime, await api.as_("operator")
    as_otto = ("--as", otto.email)
    async with at_work(runtime):
        asking = ("ask", "ping", "queue=email", "seconds=0", "--priority", "2", *as_otto)
        [asked] = await jobs(runtime, *asking)
        assert asked["applied"] is True
        job = asked["id"]
        [ended] = await jobs(runtime, "watch", job)
        assert (ended["state"], ended["queue"], ended["priority"]) == ("done", "email", 2)
        assert ended["owner"] == otto.id
        [listed] = await jobs(runtime, "list", "--queue", "email", "--name", "ping")
        assert listed == ended == (await jobs(runtime, "show", job))[0]
        code, out, _ = await formula(runtime, "jobs", "list", "--state", "done")
        assert (code, job in out, "ping" in out) == (0, True, True)
        code, out, _ = await formula(runtime, "jobs", "ask", "ping", '{"queue":"files"}')
        assert (code, out.endswith(" asked for\n")) == (0, True)
    [event] = await runtime.store.read_stream(UUID(job))
    assert (str(event.meta.actor), event.meta.user_agent) == (otto.id, "formula jobs")


async def test_a_watched_job_that_is_called_off_ends_the_command_with_1(api: Api) -> None:
    runtime = api.runtime
    async with at_work(runtime):
        [asked] = await jobs(runtime, "ask", "ping", "--delay", "3600")
        job = asked["id"]
        async with process(runtime, "watch", job) as (watching, out):
            await out.readline()  # it has begun
            await jobs(runtime, "cancel", job, "--reason", "no need")
            said = (await out.read()).decode().splitlines()
            assert (await watching.wait(), said[-1]) == (1, "cancelled: no need")
        assert await failed(runtime, "cancel", job) == "formula: job.over"
        await jobs(runtime, "retry", job)
        [ended] = await jobs(runtime, "watch", job)
        assert ended["state"] == "done"
        assert await failed(runtime, "retry", job) == "formula: job.done"


async def test_a_log_is_printed(api: Api) -> None:
    runtime, job = api.runtime, await made(api.runtime)
    async with runtime.db.connection() as db:
        await db.execute(
            "INSERT INTO formula_job_log (job, attempt, level, line)"
            " SELECT %s, 1, 'info', '[b]line ' || n FROM generate_series(1, 3) n",
            (job,),
        )
    found = await jobs(runtime, "log", str(job))
    assert [line["line"] for line in found] == ["[b]line 1", "[b]line 2", "[b]line 3"]
    _, out, _ = await formula(runtime, "jobs", "log", str(job))
    assert "1 info  [b]line 3" in out
    assert await failed(runtime, "log", str(uuid4())) == "formula: job.not_found"


async def test_queues_are_held_up_and_dead_jobs_tried_again(api: Api) -> None:
    runtime = api.runtime
    async with at_work(runtime):
        await until(lambda: served(runtime, "reports"))
        await jobs(runtime, "pause", "reports", "--reason", "[no] paper")
        dead = await made(runtime, "broken")
        await jobs(runtime, "retry-dead", "reports", "--job", "report_project")
        async with runtime.db.connection() as db:
            row = await get_job(db, dead)
        assert row is not None
        assert row.state == "queued"
        await jobs(runtime, "discard-dead", "reports", "--reason", "of no use")
        shown = {one["queue"]: one for one in await jobs(runtime, "stats")}
        assert (shown["reports"]["waiting"], shown["reports"]["workers"]) == (1, 1)
        _, out, _ = await formula(runtime, "jobs", "stats")
        assert "paused [no] paper" in out
        await jobs(runtime, "resume", "reports")

        async def tried() -> bool:
            async with runtime.db.connection() as db:
                row = await get_job(db, dead)
            return row is not None and row.attempts > 0

        await until(tried)


async def test_stats_are_watched_until_interrupted(api: Api) -> None:
    async with process(api.runtime, "stats", "--watch", "--json") as (watching, out):
        seen = [json.loads(await out.readline())["queue"] for _ in range(12)]
        assert seen[:6] == seen[6:]
        watching.send_signal(signal.SIGINT)
        await out.read()
        assert await watching.wait() == 0


async def test_schedules_are_shown_and_run(api: Api) -> None:
    runtime = api.runtime
    shown = await jobs(runtime, "schedules")
    assert "snapshot_day" in [one["name"] for one in shown]
    _, out, _ = await formula(runtime, "jobs", "schedules")
    assert "10 0 * * *" in out
    async with at_work(runtime):
        [asked] = await jobs(runtime, "run", "snapshot_day")
        [ended] = await jobs(runtime, "watch", asked["id"])
        assert (ended["name"], ended["owner"]) == ("snapshot_day", None)
    assert await failed(runtime, "run", "never") == "formula: schedule.not_found"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("ask", "rm"), "no such job"),
        (("ask", "ping", "seconds"), "arguments are NAME=VALUE"),
        (("ask", "ping", "{"), "no JSON object"),
        (("ask", "ping", "seconds=-1"), "job.bad_seconds"),
        (("ask", "ping", "--needs", str(uuid4())), "job.unknown_needs"),
    ],
)
async def test_what_makes_no_sense_is_one_line(
    arguments: tuple[str, ...], why: str, api: Api
) -> None:
    assert why in await failed(api.runtime, *arguments)


async def test_a_user_of_as_sees_and_does_what_they_may_over_rest(api: Api) -> None:
    runtime, ann = api.runtime, await api.as_("member")
    as_ann = ("--as", ann.email)
    job = await made(runtime)
    assert await jobs(runtime, "list", *as_ann) == []
    assert len(await jobs(runtime, "list")) == 1
    for command in ("show", "cancel"):
        assert await failed(runtime, command, str(job), *as_ann) == "formula: job.not_found"
    for command in (("ask", "ping"), ("stats",), ("retry-dead", "email")):
        assert await failed(runtime, *command, *as_ann) == "formula: access.denied"
