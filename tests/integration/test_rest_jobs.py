"""Jobs over REST, with a real worker: asking, seeing, calling off, trying again, queues."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.jobs import member_id
from infra.jobs.making import insert_jobs
from infra.jobs.model import NewJob
from infra.jobs.reading import get_job
from tests.integration.conftest import Api, Person
from tests.workers.office import at_work, until

JOBS = "/realtime/jobs"
PING = {"type": "ping"}
FAR = "2126-01-01T00:00:00Z"


async def asked(person: Person, **fields: object) -> Any:
    return await person.do("POST", f"{JOBS}/", {"args": PING, **fields})


async def shown(person: Person, job: str) -> Any:
    return await person.get(f"{JOBS}/{job}")


async def ended(person: Person, job: str, state: str = "done") -> Any:
    async def look() -> Any:
        row = await shown(person, job)
        return row if row["finished_at"] else None

    row = await until(look)
    assert row["state"] == state, row
    return row


async def row_of(api: Api, owner: str | None, *, asked: bool = True, error: str = "") -> UUID:
    """A job in a row of its own, as the consumer makes them."""
    new = NewJob(
        queue="reports",
        name="report_project",
        consumer="jobs",
        position=1,
        key=str(uuid4()),
        args={"secret": "of the owner"},
        max_attempts=1,
        owner=UUID(owner) if owner else None,
        error=error or None,
        stream=uuid4() if asked else None,
    )
    async with api.runtime.db.connection() as db:
        await insert_jobs(db, [new])
    return new.id


# Asking


async def test_a_job_that_is_asked_for_is_done_and_seen(api: Api) -> None:
    otto = await api.as_("operator")
    async with at_work(api.runtime):
        made = await asked(otto, priority=1, unique="sign")
        assert made["applied"] is True
        assert made["position"] == otto.position
        row = await ended(otto, made["id"])
    assert (row["name"], row["queue"], row["priority"]) == ("ping", "maintenance", 1)
    assert (row["owner"], row["asked"], row["singleton"]) == (otto.id, True, f"{otto.id} sign")
    assert row["result"] == {"queue": "maintenance", "seconds": row["result"]["seconds"]}
    [event] = await api.runtime.store.read_stream(UUID(made["id"]))
    assert (str(event.meta.actor), event.meta.command) == (otto.id, "request_job")
    assert event.meta.ip == "127.0.0.1"


async def test_the_same_key_asks_for_the_same_job(api: Api) -> None:
    otto = await api.as_("operator")
    async with at_work(api.runtime):
        first = await asked(otto)
        keyed = {"Idempotency_Key": "tonight"}
        body = {"args": PING, "delay_s": 3_600}
        one = await otto("POST", f"{JOBS}/", body, **keyed)
        again = await otto("POST", f"{JOBS}/", body, **keyed)
    assert one.status_code == again.status_code == 202
    assert one.json() == again.json() != first
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await otto.refused("POST", f"{JOBS}/batches", {"jobs": [{"args": PING}]}, **keyed)
    assert other == "422 command.reused"


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"args": {"type": "rm"}}, "422 request.invalid"),
        ({"args": {"type": "ping", "colour": 1}}, "422 request.invalid"),
        ({"args": {"type": "ping", "seconds": -1}}, "422 job.bad_seconds"),
        ({"args": PING, "priority": 10}, "422 request.invalid"),
        ({"args": PING, "run_at": "2026-01-01T00:00:00"}, "422 job.no_time_zone"),
        ({"args": PING, "run_at": FAR, "delay_s": 1}, "422 job.two_times"),
        ({"args": PING, "delay_s": -1}, "422 request.invalid"),
    ],
)
async def test_what_makes_no_sense_is_refused(api: Api, body: object, refusal: str) -> None:
    otto = await api.as_("operator")
    before = await api.runtime.store.head()
    assert await otto.refused("POST", f"{JOBS}/", body) == refusal
    assert await api.runtime.store.head() == before


async def test_who_may_ask_is_said_by_the_type(api: Api) -> None:
    for role in ("member", "manager", "auditor", "guest"):
        person = await api.as_(role)
        for path, body in (("/", {"args": PING}), ("/batches", {"jobs": [{"args": PING}]})):
            assert await person.refused("POST", JOBS + path, body) == "403 access.denied"


async def test_needed_jobs_must_exist(api: Api) -> None:
    otto = await api.as_("operator")
    unknown = str(uuid4())
    async with at_work(api.runtime):
        held = await asked(otto, run_at=FAR)
        last = await asked(otto, needs=[held["id"]])
        assert (await shown(otto, last["id"]))["state"] == "blocked"
        refused = await otto("POST", f"{JOBS}/", {"args": PING, "needs": [held["id"], unknown]})
    assert (refused.status_code, refused.json()["code"]) == (422, "job.unknown_needs")
    assert refused.json()["jobs"] == unknown


async def test_what_nobody_makes_rows_of_yet_is_accepted_all_the_same(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.job_rights.APPLIED_S", 0.05)
    otto, ann = await api.as_("operator"), await api.as_("member")
    made = await asked(otto)
    assert made["applied"] is False
    assert await otto.refused("POST", f"{JOBS}/{made['id']}/retry") == "409 job.not_over"
    assert await ann.refused("POST", f"{JOBS}/{made['id']}/cancel", {}) == "404 job.not_found"
    called_off = await otto.do("POST", f"{JOBS}/{made['id']}/cancel", {"reason": "too late"})
    assert called_off["applied"] is False
    async with at_work(api.runtime):
        row = await ended(otto, made["id"], "cancelled")
    assert (row["attempts"], row["error"]) == (0, "too late")


# Batches


async def test_a_batch_is_followed_to_its_end(api: Api) -> None:
    otto = await api.as_("operator")
    late = {"args": PING, "run_at": FAR}
    body = {"jobs": [{"args": PING}, {"args": PING}, late, late], "then": {"args": PING}}
    async with at_work(api.runtime):
        made = await otto.do("POST", f"{JOBS}/batches", body)
        path = f"{JOBS}/batches/{made['id']}"

        async def half() -> Any:
            batch = await otto.get(path)
            return batch if batch["states"].get("done") == 2 else None

        batch = await until(half)
        assert batch["states"] == {"done": 2, "queued": 2}
        assert (batch["jobs"], batch["progress"], batch["owner"]) == (4, 0.5, otto.id)
        assert batch["then"]["state"] == "blocked"
        assert batch["then"]["id"] == str(member_id(UUID(made["id"]), -1))
        await otto.do("POST", f"{JOBS}/{member_id(UUID(made['id']), 2)}/cancel", {})
        await otto.do("POST", f"{JOBS}/{made['id']}/cancel", {"reason": "enough"})
        batch = await otto.get(path)
        assert (batch["progress"], batch["then"]["state"]) == (1.0, "cancelled")
        again = await otto.refused("POST", f"{JOBS}/{made['id']}/cancel", {})
        assert again == "409 job.over"
        await otto.do("POST", f"{JOBS}/{made['id']}/retry")
        assert (await otto.get(path))["states"].items() >= {"done": 2}.items()
    rows = await otto.get(f"{JOBS}/", batch=made["id"])
    assert len(rows["items"]) == 5


async def test_a_batch_that_makes_no_sense_is_refused(api: Api) -> None:
    otto = await api.as_("operator")
    path, one = f"{JOBS}/batches", {"args": PING}
    assert await otto.refused("POST", path, {"jobs": []}) == "422 request.invalid"
    then = {"jobs": [one], "then": {**one, "needs": [str(uuid4())]}}
    assert await otto.refused("POST", path, then) == "422 job.then_has_needs"
    assert await otto.refused("GET", f"{path}/{uuid4()}") == "404 batch.not_found"


# Seeing


async def test_one_sees_only_jobs_that_one_asked_for(api: Api) -> None:
    otto, ann, eve = [await api.as_(role) for role in ("operator", "member", "manager")]
    for person in (otto, ann, eve):
        person.position = 0  # no consumer runs
    mine = await row_of(api, ann.id)
    followed = await row_of(api, ann.id, asked=False)
    hers, nobodys = await row_of(api, eve.id), await row_of(api, None)

    async def seen(person: Person, **filters: object) -> set[UUID]:
        return {UUID(row["id"]) for row in (await person.get(f"{JOBS}/", **filters))["items"]}

    assert await seen(otto) == {mine, followed, hers, nobodys}
    assert await seen(otto, owner=ann.id) == {mine}
    assert await seen(ann) == await seen(ann, owner=eve.id) == {mine}
    assert await seen(ann, q="secret") == {mine}
    assert (await ann.get(f"{JOBS}/{mine}"))["args"] == {"secret": "of the owner"}
    for job in (followed, hers, nobodys, uuid4()):
        path = f"{JOBS}/{job}"
        for method, door in (("GET", ""), ("GET", "/log"), ("POST", "/retry")):
            assert await ann.refused(method, path + door) == "404 job.not_found"
        assert await ann.refused("POST", f"{path}/cancel", {}) == "404 job.not_found"


async def test_a_list_is_narrowed_and_comes_in_pages(api: Api) -> None:
    otto = await api.as_("operator")
    otto.position = 0
    jobs = [await row_of(api, None) for _ in range(3)]
    dead = await row_of(api, otto.id, error="no paper in tray 5")
    first = await otto.get(f"{JOBS}/", limit=2)
    rest = await otto.get(f"{JOBS}/", limit=2, cursor=first["next"])
    found = [UUID(row["id"]) for row in first["items"] + rest["items"]]
    assert found == [dead, *reversed(jobs)]
    assert rest["next"] is None
    for filters in ({"state": "dead"}, {"q": "TRAY 5"}, {"owner": otto.id}):
        [row] = (await otto.get(f"{JOBS}/", **filters))["items"]
        assert row["id"] == str(dead), filters
    assert (await otto.get(f"{JOBS}/", queue="email"))["items"] == []
    assert (await otto.get(f"{JOBS}/", name="ping"))["items"] == []


async def test_a_jobs_log_comes_in_pages(api: Api) -> None:
    ann = await api.as_("member")
    ann.position = 0
    job = await row_of(api, ann.id)
    async with api.runtime.db.connection() as db:
        await db.execute(
            "INSERT INTO formula_job_log (job, attempt, level, line)"
            " SELECT %s, 1, 'info', 'line ' || n FROM generate_series(1, 3) n",
            (job,),
        )
    first = await ann.get(f"{JOBS}/{job}/log", limit=2)
    rest = await ann.get(f"{JOBS}/{job}/log", limit=2, cursor=first["next"])
    lines = [line["line"] for line in first["items"] + rest["items"]]
    assert (lines, rest["next"]) == (["line 1", "line 2", "line 3"], None)


# Changing


async def test_the_owner_calls_off_and_tries_again(api: Api) -> None:
    ann, otto = await api.as_("member"), await api.as_("operator")
    job = await row_of(api, ann.id)
    path = f"{JOBS}/{job}"
    assert await ann.refused("POST", f"{path}/retry") == "409 job.not_over"
    async with api.runtime.db.connection() as db:  # no worker takes it
        await db.execute("UPDATE formula_jobs SET run_at = now() + interval '1 day'")
    async with at_work(api.runtime):
        assert (await ann.do("POST", f"{path}/cancel", {"reason": "no need"}))["applied"]
        row = await shown(ann, str(job))
        assert (row["state"], row["error"]) == ("cancelled", "no need")
        assert await otto.refused("POST", f"{path}/cancel", {}) == "409 job.over"
        await otto.do("POST", f"{path}/retry")
        assert (await shown(otto, str(job)))["state"] != "cancelled"
        done = await asked(otto)
        await ended(otto, done["id"])
        assert await otto.refused("POST", f"{JOBS}/{done['id']}/retry") == "409 job.done"
    asked_for = [one.meta.actor for one in await api.runtime.store.read_stream(job)]
    assert [str(actor) for actor in asked_for] == [ann.id, otto.id]


async def test_an_order_that_is_sent_again_answers_as_before(api: Api) -> None:
    otto, eve = await api.as_("operator"), await api.as_("operator")
    keyed = {"Idempotency_Key": str(uuid4())}
    async with at_work(api.runtime):
        made = await asked(otto, run_at=FAR)
        path = f"{JOBS}/{made['id']}/cancel"
        first = await otto.do("POST", path, {}, **keyed)
        assert await otto.do("POST", path, {}, **keyed) == first
        assert await eve.refused("POST", path, {}, **keyed) == "409 job.over"
        other = await asked(otto, run_at=FAR)
        elsewhere = f"{JOBS}/{other['id']}/cancel"
        assert await otto.refused("POST", elsewhere, {}, **keyed) == "422 command.reused"
        assert (await shown(otto, other["id"]))["state"] == "queued"


async def test_a_job_that_runs_is_called_off(api: Api) -> None:
    otto = await api.as_("operator")
    async with at_work(api.runtime):
        made = await asked(otto, args={**PING, "seconds": 3_600})

        async def runs() -> bool:
            return (await shown(otto, made["id"]))["state"] == "running"

        await until(runs)
        assert await otto.refused("POST", f"{JOBS}/{made['id']}/retry") == "409 job.not_over"
        await otto.do("POST", f"{JOBS}/{made['id']}/cancel", {"reason": "stuck"})
        await ended(otto, made["id"], "cancelled")
        after = await asked(otto)  # the queue runs one job at a time
        await ended(otto, after["id"])


async def test_a_queue_is_paused_with_a_reason_and_goes_on(api: Api) -> None:
    otto = await api.as_("operator")
    queue = f"{JOBS}/queues/maintenance"
    async with at_work(api.runtime):
        pausing = await otto.do("POST", f"{queue}/pause", {"reason": "the disk is full"})
        assert pausing["applied"]
        again = await otto.do("POST", f"{queue}/pause", {"reason": "twice"})
        assert again == {**again, "position": None, "applied": True}
        made = await asked(otto)
        stats = {one["queue"]: one for one in await otto.get(f"{JOBS}/stats")}
        paused = stats["maintenance"]
        assert (paused["pause_reason"], paused["paused_by"]) == ("the disk is full", otto.id)
        assert (await shown(otto, made["id"]))["state"] == "queued"
        await otto.do("POST", f"{queue}/resume")
        await ended(otto, made["id"])
    assert await otto.refused("POST", f"{JOBS}/queues/nowhere/resume") == "422 request.invalid"
    assert await otto.refused("POST", f"{queue}/pause", {}) == "422 request.invalid"


async def test_dead_jobs_are_called_off_one_or_all(api: Api) -> None:
    otto = await api.as_("operator")
    one, other = [await row_of(api, None, error="broken") for _ in range(2)]
    path = f"{JOBS}/queues/reports/discard-dead"

    async def gone() -> bool:
        return (await shown(otto, str(other)))["state"] == "cancelled"

    async with at_work(api.runtime):
        assert await otto.refused("POST", path, {}) == "422 request.invalid"
        await otto.do("POST", f"{JOBS}/{one}/cancel", {"reason": "nobody needs it"})
        assert (await shown(otto, str(one)))["error"] == "nobody needs it"
        await otto.do("POST", path, {"reason": "none of them", "job": "another"})
        assert not await gone()
        await otto.do("POST", path, {"reason": "none of them"})
        await until(gone)


async def test_dead_jobs_are_tried_again_all_or_by_name(api: Api) -> None:
    otto = await api.as_("operator")
    dead = await row_of(api, None, error="broken")
    path = f"{JOBS}/queues/reports/retry-dead"

    async def tried() -> bool:
        async with api.runtime.db.connection() as db:
            row = await get_job(db, dead)
        assert row is not None
        return row.attempts > 0

    async with at_work(api.runtime):
        await otto.do("POST", path, {"job": "another"})
        assert (await shown(otto, str(dead)))["state"] == "dead"
        await otto.do("POST", path, {})
        await until(tried)
