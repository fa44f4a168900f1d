"""Queues and schedules over REST, and who may have a job done again."""

from typing import Any

import msgspec
import pytest

from api.job_rights import require_retry
from api.rights import Caller
from domain.errors import NotAllowed
from domain.job_args import Ping
from domain.jobs import JOB, RequestJob, Wanted
from domain.user import Role
from infra.jobs.making import insert_jobs
from infra.runtime import Origin, Runtime
from tests.integration.conftest import Api
from tests.integration.test_job_rows import new_job
from tests.integration.test_rest_jobs import JOBS, ended, row_of
from tests.workers.office import at_work, until


async def test_stats_say_who_listens_and_how_much_at_a_time(api: Api) -> None:
    otto = await api.as_("operator")
    async with at_work(api.runtime):

        async def served() -> Any:
            stats = await otto.get(f"{JOBS}/stats")
            return stats if all(one["workers"] for one in stats) else None

        stats = {one["queue"]: one for one in await until(served)}
    assert list(stats) == ["email", "reports", "files", "notifications", "analytics", "maintenance"]
    email = stats["email"]
    assert (email["workers"], email["concurrency"], email["retries"]) == (1, 5, 3)
    assert (email["per_minute"], email["waiting"], email["dead"]) == (0, 0, 0)


async def test_many_who_look_at_stats_cost_one_look(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    otto = await api.as_("operator")
    otto.position = 0
    monkeypatch.setattr("infra.jobs.board.KEPT_S", 3_600.0)
    first = await otto.get(f"{JOBS}/stats")
    await row_of(api, None)
    assert await otto.get(f"{JOBS}/stats") == first
    monkeypatch.setattr("infra.jobs.board.KEPT_S", 0.0)
    assert await otto.get(f"{JOBS}/stats") != first


async def test_a_schedule_is_shown_and_run_by_hand(api: Api) -> None:
    otto = await api.as_("operator")
    [daily] = [one for one in await otto.get(f"{JOBS}/schedules") if one["name"] == "snapshot_day"]
    assert (daily["cron"], daily["zone"], daily["missed"]) == ("10 0 * * *", "UTC", "last")
    assert daily["last_tick"] is None, "no scheduler ran"
    assert [at[10:] for at in daily["next"]] == ["T00:10:00Z"] * 3
    async with at_work(api.runtime):
        made = await otto.do("POST", f"{JOBS}/schedules/snapshot_day/run")
        row = await ended(otto, made["id"])
    assert (row["name"], row["owner"]) == ("snapshot_day", otto.id)
    missing = await otto.refused("POST", f"{JOBS}/schedules/never/run")
    assert missing == "404 schedule.not_found"


async def test_what_concerns_all_is_the_operators(api: Api) -> None:
    ann = await api.as_("member")
    for method, path, body in (
        ("GET", "/stats", None),
        ("GET", "/schedules", None),
        ("POST", "/schedules/snapshot_day/run", None),
        ("POST", "/queues/email/pause", {"reason": "x"}),
        ("POST", "/queues/email/resume", None),
        ("POST", "/queues/email/retry-dead", {}),
        ("POST", "/queues/email/discard-dead", {"reason": "x"}),
    ):
        assert await ann.refused(method, JOBS + path, body) == "403 access.denied", path


async def test_who_lost_the_right_cannot_have_it_done_again(runtime: Runtime) -> None:
    me, job = runtime.new_id(), runtime.new_id()
    asked = RequestJob(wanted=Wanted(args=Ping()))
    await runtime.execute(Origin(me), JOB, job, asked)
    async with runtime.db.connection() as db:
        await insert_jobs(db, [new_job("x", name="ping", error="no", owner=me, stream=job)])
    guest = Caller(me, Role.GUEST, runtime.new_id(), runtime.now())
    with pytest.raises(NotAllowed):
        await require_retry(runtime, guest, job)
    await require_retry(runtime, msgspec.structs.replace(guest, role=Role.OPERATOR), job)
