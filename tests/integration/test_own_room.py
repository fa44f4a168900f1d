"""One's own room over real sockets and a real worker: notifications, and how far one's jobs are."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.announcement import ANNOUNCEMENT, PublishAnnouncement
from domain.job_args import Ping
from domain.jobs import JOB, CancelJob, RequestJob, Wanted
from domain.user import Role
from infra.jobs.making import insert_jobs
from infra.jobs.model import End, JobState, NewJob
from infra.jobs.reading import get_job
from infra.jobs.working import Times, claim, note_progress, settle
from infra.runtime import Origin, Runtime
from infra.settings import Settings
from projections.frames import JOB_PROGRESS
from tests.integration.sockets import Json, Live, live_gateway
from tests.integration.test_asyncapi import problems_of
from tests.workers.office import AT, Office, working
from workers import announce, progress
from workers.model import Context
from workers.owners import MAX_TOLD
from workers.registry import JOBS


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    async with live_gateway(projected) as running:
        yield running


def told(frame: Json) -> bool:
    return frame.get("type") == JOB_PROGRESS


async def test_the_owner_of_a_job_is_told_how_far_it_is(
    live: Live, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announce, "PAGE", 2)
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    runtime = live.runtime
    otto = await live.user("otto", Role.OPERATOR)
    ann = await live.user("ann")
    for number in range(3):
        await live.user(f"member{number}")
    mine, hers = await live.open(otto), await live.open(ann)
    publish = PublishAnnouncement(title="Down at 8", at=AT)
    await runtime.execute(Origin(otto), ANNOUNCEMENT, runtime.new_id(), publish)
    async with working(settings):
        frames = [await mine.until(told) for _ in range(4)]
        notice = await hers.event("notification.sent")
        (row,) = await Office(runtime).ended("announce")
    assert [(one["data"]["state"], one["data"]["progress"]) for one in frames] == [
        ("running", 0.4),
        ("running", 0.8),
        ("running", 1.0),
        ("done", 1.0),
    ]
    assert {one["data"]["job"] for one in frames} == {str(row.id)}
    assert (row.owner, row.progress) == (otto, 1.0)
    assert (notice["room"], notice["data"]["title"]) == (f"user:{ann}", "Down at 8")
    assert not any(map(told, hers.seen)), "it is her notification, but not her job"


async def test_reports_are_as_rare_as_they_are_wanted(
    live: Live, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announce, "PAGE", 1)
    monkeypatch.setattr(progress, "EVERY_S", 3_600.0)
    otto = await live.user("otto", Role.OPERATOR)
    for number in range(3):
        await live.user(f"member{number}")
    mine = await live.open(otto)
    publish = PublishAnnouncement(title="Down at 8", at=AT)
    await live.runtime.execute(Origin(otto), ANNOUNCEMENT, live.runtime.new_id(), publish)
    async with working(settings):
        states = [(await mine.until(told))["data"]["state"] for _ in range(2)]
    assert states == ["running", "done"], "the first, and the end"


async def test_whoever_asked_for_a_job_hears_of_begin_and_end(
    live: Live, settings: Settings
) -> None:
    async def fail(_context: Context, _args: Ping) -> None:
        raise ValueError("no paper in tray 5 " + "x" * 500)

    otto, eve = [await live.user(name, Role.OPERATOR) for name in ("otto", "eve")]
    mine, hers = await live.open(otto), await live.open(eve)
    runtime = live.runtime

    async def frames(job: UUID, count: int) -> list[tuple[str, float]]:
        heard = [await mine.until(lambda one: told(one) and of(one, job)) for _ in range(count)]
        return [(one["data"]["state"], one["data"]["progress"]) for one in heard]

    async with working(settings):
        done = await ask(runtime, otto)
        assert await frames(done, 2) == [("running", 0.0), ("done", 1.0)]
        late = await ask(runtime, otto, run_at=runtime.now() + timedelta(days=1))
        behind = await ask(runtime, otto, needs=(late,))
        await runtime.execute(Origin(eve), JOB, late, CancelJob(reason="no need"))
        for job, why in ((late, "no need"), (behind, f"not done, and needed: {late}")):
            called_off = await mine.until(lambda one, job=job: told(one) and of(one, job))
            assert called_off["data"]["state"] == "cancelled"
            assert called_off["data"]["error"] == why
    broken = tuple(
        msgspec.structs.replace(kind, run=fail) if kind.name == "ping" else kind for kind in JOBS
    )
    once_more = msgspec.structs.replace(settings, maintenance_retries=1)
    async with working(once_more, kinds=broken):
        dead = await ask(runtime, otto)
        heard = [await mine.until(lambda one: told(one) and of(one, dead)) for _ in range(4)]
    assert [one["data"]["state"] for one in heard] == ["running", "queued", "running", "dead"]
    error = heard[-1]["data"]["error"]
    assert error.startswith("ValueError('no paper in tray 5 x")
    assert len(error) == MAX_TOLD
    assert problems_of(heard[-1]) == []
    assert problems_of({**heard[-1], "data": {"state": "dead"}}) != [], "the data is described"
    assert not any(map(told, hers.seen))


def of(frame: Json, job: UUID) -> bool:
    return frame["data"]["job"] == str(job)


async def ask(runtime: Runtime, who: UUID, **wanted: Any) -> UUID:
    job = runtime.new_id()
    command = RequestJob(wanted=Wanted(args=Ping(), **wanted))
    await runtime.execute(Origin(who), JOB, job, command)
    return job


async def test_only_who_holds_a_job_says_how_far_it_is(runtime: Runtime) -> None:
    job = NewJob(
        queue="email", name="n", consumer="test", position=1, key="k", args={}, max_attempts=2
    )
    mine, other = runtime.new_id(), runtime.new_id()
    async with runtime.db.connection() as db:
        await insert_jobs(db, [job])
        [held] = await claim(db, {"email": 1}, mine, lease_s=60)
        await note_progress(db, other, held, 0.9)
        row = await get_job(db, job.id)
        assert row is not None
        assert row.progress is None
        await note_progress(db, mine, held, 0.5)
        await settle(db, mine, [End(job.id, 1, retry=True)], Times(retry_base_s=0.0))
        await note_progress(db, mine, held, 0.7)
        row = await get_job(db, job.id)
    assert row is not None
    assert (row.state, row.progress) == (JobState.QUEUED, 0.5)
