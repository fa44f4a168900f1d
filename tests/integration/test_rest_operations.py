"""Audit, notifications, health and what operators look at."""

import asyncio
from uuid import UUID, uuid4

import pytest

from domain.notification import NOTIFICATION, SendNotification
from domain.participation import PARTICIPATION, Join, Leave, LeaveReason
from infra.nodes import ALERTS_LATE_S, Heart, alerts_late_s, nodes
from infra.runtime import SYSTEM
from infra.services import Service, ServiceState, State
from tests.integration.conftest import Api


async def test_auditors_see_who_did_what_and_from_where(api: Api) -> None:
    boss, eve = await api.as_("manager"), await api.as_("auditor")
    client = await boss.do("POST", "/clients", {"name": "C"}, X_Request_ID=str(uuid4()))
    await boss.do("PATCH", f"/clients/{client['id']}", {"name": "D"})
    eve.position = boss.position
    rows = (await eve.get("/audit", subject=client["id"]))["items"]
    assert [row["type"] for row in rows] == ["client.changed.v1", "client.created.v1"]
    assert {row["actor"] for row in rows} == {boss.id}
    assert rows[0]["ip"] == "127.0.0.1"
    [first] = (await eve.get("/audit", actor=boss.id, type="client.created.v1"))["items"]
    assert (first["command"], first["data"]["name"]) == ("create_client", "C")
    since = await eve.get("/audit", since=rows[0]["at"], aggregate="client")
    assert [row["version"] for row in since["items"]] == [2]


async def test_a_stream_is_read_from_the_log_page_by_page(api: Api) -> None:
    boss, eve = await api.as_("manager"), await api.as_("auditor")
    client = await boss.do("POST", "/clients", {"name": "0"})
    for number in (1, 2):
        await boss.do("PATCH", f"/clients/{client['id']}", {"name": str(number)})
    path = f"/audit/streams/{client['id']}"
    first = await eve.get(path, limit=2)
    rest = await eve.get(path, limit=2, cursor=first["next"])
    shown = first["items"] + rest["items"]
    assert [(row["version"], row["data"]["name"]) for row in shown] == [
        (1, "0"),
        (2, "1"),
        (3, "2"),
    ]
    assert shown[0]["meta"]["actor"] == boss.id
    assert rest["next"] is None


async def test_ones_notifications_are_read_once(api: Api) -> None:
    ann, eve = await api.as_("member"), await api.as_("member")
    for person in (ann, eve):
        send = SendNotification(
            user=UUID(person.id), kind="test", title=f"For {person.email}", at=api.runtime.now()
        )
        outcome = await api.runtime.execute(SYSTEM, NOTIFICATION, uuid4(), send)
        ann.position = outcome.position or 0
    [shown] = (await ann.get("/notifications"))["items"]
    assert (shown["title"], shown["read_at"]) == (f"For {ann.email}", None)
    other = await eve.refused("POST", f"/notifications/{shown['id']}/read")
    assert other == "403 access.denied"
    await ann.do("POST", f"/notifications/{shown['id']}/read")
    assert (await ann.get("/notifications", unread=True))["items"] == []


async def test_an_announcement_is_published(api: Api) -> None:
    operator = await api.as_("operator")
    body = {"title": "Maintenance", "level": "warning", "roles": ["member"]}
    made = await operator.do("POST", "/realtime/notifications/system", body)
    [stored] = await api.runtime.store.read_stream(UUID(made["id"]))
    assert stored.event.__struct_config__.tag == "announcement.published.v1"


async def test_who_is_online_and_where(api: Api) -> None:
    boss = await api.as_("manager")
    project = (await boss.do("POST", "/projects", {"name": "P"}))["id"]
    join = Join(
        user=UUID(boss.id),
        connection=uuid4(),
        room=f"project:{project}",
        project=UUID(project),
        node=api.runtime.node,
    )
    outcome = await api.runtime.execute(SYSTEM, PARTICIPATION, uuid4(), join)
    boss.position = outcome.position or 0
    [person] = (await boss.get("/realtime/users/online"))["items"]
    assert (person["user_id"], person["connections"]) == (boss.id, 1)
    [room] = (await boss.get("/realtime/collaborations/active"))["items"]
    assert (room["room"], room["members"]) == (f"project:{project}", 1)
    again = await api.runtime.execute(SYSTEM, PARTICIPATION, uuid4(), join)
    boss.position = again.position or 0
    first = await boss.get(f"/realtime/rooms/project:{project}/members", limit=1)
    rest = await boss.get(f"/realtime/rooms/project:{project}/members", cursor=first["next"])
    assert [one["user"] for one in first["items"] + rest["items"]] == [boss.id] * 2
    stranger = await api.as_("member")
    path = f"/realtime/rooms/project:{project}/members"
    assert await stranger.refused("GET", path) == "403 access.denied"


async def test_how_present_a_person_is_and_when_they_were_last(api: Api) -> None:
    boss, ann = await api.as_("manager"), await api.as_("member")
    path = f"/realtime/users/{ann.id}/presence"
    assert (await boss.get(path)) == {
        "user_id": ann.id, "connections": 0, "status": "offline", "devices": [], "last_seen": None,
    }  # fmt: skip
    join = Join(
        user=UUID(ann.id),
        connection=uuid4(),
        room=f"user:{ann.id}",
        project=None,
        node=api.runtime.node,
        device="phone",
    )
    participation = uuid4()
    come = await api.runtime.execute(SYSTEM, PARTICIPATION, participation, join)
    boss.position = come.position or 0
    there = await boss.get(path)
    assert (there["status"], there["connections"], there["devices"]) == ("online", 1, ["phone"])
    left = await api.runtime.execute(
        SYSTEM, PARTICIPATION, participation, Leave(reason=LeaveReason.SAID)
    )
    boss.position = left.position or 0
    gone = await boss.get(path)
    assert (gone["status"], gone["connections"]) == ("offline", 0)
    assert gone["last_seen"] > there["last_seen"]


async def test_the_status_tells_position_epoch_and_lag(api: Api) -> None:
    ann = await api.as_("guest")
    api.heart.set("ready")
    await api.heart.beat()
    status = await ann.get("/realtime/status")
    assert status["nodes"] == {"api": 1}
    assert status["position"] >= ann.position
    assert {"live", "queries", "audit"} <= status["lag"].keys()
    assert status["epoch"]


async def test_only_operators_see_the_processes_in_detail(api: Api) -> None:
    ann, operator = await api.as_("member"), await api.as_("operator")
    plain = await ann.get("/realtime/health/summary")
    full = await operator.get("/realtime/health/summary")
    assert plain["status"] == full["status"] == "degraded"  # no projector process, no worker
    assert [one["status"] for one in plain["services"]] == ["up", "up"]
    assert "detail" not in plain["processes"][0]
    assert full["processes"][0]["detail"]["node"] == str(api.runtime.node)
    again = await ann.get("/realtime/health/summary")
    assert again["services"][0]["since"] == plain["services"][0]["since"]


async def test_operators_see_of_what_each_process_is_made(api: Api) -> None:
    ann, operator = await api.as_("member"), await api.as_("operator")
    path = "/realtime/health/services"
    assert await ann.refused("GET", path) == "403 access.denied"
    await api.heart.beat()
    [process] = await operator.get(path)
    services = {one["name"]: one["state"] for one in process["services"]}
    assert process["role"] == "api"
    needed = {"postgres", "redis", "writer", "states", "keys", "limits", "heartbeat", "gateway"}
    assert services == dict.fromkeys(needed, "up")


async def test_what_is_away_and_not_needed_degrades_and_leaves_ready(api: Api) -> None:
    mail = ServiceState(
        name="smtp", state=State.DOWN, since=api.runtime.now(), essential=False, server=True
    )
    scheduler = Heart(api.runtime.db, uuid4(), "scheduler", lambda: [mail], api.runtime.now)
    others = [
        Heart(api.runtime.db, uuid4(), role, list, api.runtime.now)
        for role in ("projector", "worker")
    ]
    for heart in (api.heart, scheduler, *others):
        heart.set("ready")
        await heart.beat()
    answer = await api.client.get("/readyz")
    assert (answer.status_code, answer.json()["degraded"]) == (200, ["smtp"])
    ann = await api.as_("member")
    shown = await ann.get("/realtime/health/summary")
    assert shown["status"] == "degraded"
    assert [(one["name"], one["status"]) for one in shown["services"]][-1] == ("smtp", "down")


async def test_that_nobody_looks_at_alerts_degrades_and_leaves_ready(api: Api) -> None:
    hearts = {
        role: Heart(api.runtime.db, uuid4(), role, list, api.runtime.now)
        for role in ("projector", "worker", "scheduler")
    }
    standby = Heart(api.runtime.db, uuid4(), "scheduler", list, api.runtime.now)
    standby.report = lambda: {ALERTS_LATE_S: None}
    ann = await api.as_("member")
    for late_s, lacked in ((59.0, []), (61.0, ["alerts"])):
        hearts["scheduler"].report = lambda late_s=late_s: {ALERTS_LATE_S: late_s}
        for heart in (api.heart, standby, *hearts.values()):
            heart.set("ready")
            await heart.beat()
        answer = await api.client.get("/readyz")
        assert (answer.status_code, answer.json()["degraded"]) == (200, lacked)
        shown = await ann.get("/realtime/health/summary")
        assert shown["degraded"] == lacked
        assert shown["status"] == ("degraded" if lacked else "up")


async def test_a_scheduler_that_hangs_is_later_and_later(api: Api) -> None:
    """By those who go on, until another one leads."""
    hung, other = (
        Heart(api.runtime.db, uuid4(), "scheduler", list, api.runtime.now) for _ in range(2)
    )
    hung.report = lambda: {ALERTS_LATE_S: 0.0}
    for heart in (hung, other):
        await heart.beat()
    async with api.runtime.db.connection() as db:
        await db.execute(
            "UPDATE formula_nodes SET seen_at = seen_at - interval '1 minute' WHERE detail @>"
            " '{\"alerts_late_s\": 0.0}'"
        )
    assert alerts_late_s(await nodes(api.runtime)) == pytest.approx(60, abs=5)
    other.report = lambda: {ALERTS_LATE_S: 1.0}
    await other.beat()
    assert alerts_late_s(await nodes(api.runtime)) == 1.0


async def test_a_process_whose_essential_service_fails_is_not_ready(api: Api) -> None:
    fails = asyncio.Event()

    async def run() -> None:
        await fails.wait()
        raise RuntimeError("boom")

    async with api.runtime.services.running(Service(name="frail", run=run)):
        fails.set()
        async with asyncio.timeout(5):
            while not api.runtime.services.missing():  # noqa: ASYNC110, it changes by itself
                await asyncio.sleep(0)
        api.heart.set("ready")
        await api.heart.beat()
        answer = await api.client.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["frail"])
    assert {one.state for one in await nodes(api.runtime)} == {"unready"}


async def test_operators_see_checkpoints_and_dead_letters(api: Api) -> None:
    operator = await api.as_("operator")
    async with api.runtime.db.connection() as connection:
        await connection.execute(
            "INSERT INTO formula_dead_letters (projection, generation, position, stream, error)"
            " SELECT 'tasks', schema, position, %(stream)s, error"
            " FROM formula_generations, (VALUES (1, 'boom'), (2, NULL)) l (position, error)"
            " WHERE projection = 'tasks' AND state = 'serving'",
            {"stream": uuid4()},
        )
    shown = await operator.get("/projections")
    assert {"live", "queries", "audit"} <= {group["name"] for group in shown["groups"]}
    groups = {one["name"]: one["group"] for one in shown["projections"]}
    assert (groups["tasks"], groups["rooms"]) == ("queries", "live")
    [dead] = shown["dead_letters"]
    assert (dead["projection"], dead["parked"], dead["failed"]) == ("tasks", 2, 1)


async def test_operators_see_what_is_being_built(api: Api) -> None:
    operator = await api.as_("operator")
    assert (await operator.get("/projections"))["builds"] == []
    made = await operator.do("POST", "/projections/tasks/rebuild")
    shown = await operator.get("/projections")
    assert [one["generation"] for one in shown["builds"]] == [made["generation"]]
    assert shown["builds"][0].keys() >= {"state", "position", "target", "per_s"}
    [alone] = await operator.get("/projections/tasks/builds")
    assert alone["generation"] == made["generation"]


async def test_operators_see_how_the_log_grows(api: Api) -> None:
    operator = await api.as_("operator")
    log = await operator.get("/store/stats")
    head = await api.runtime.store.head()
    assert (log["head"], log["events"]) == (head, {"rows": head, "exact": True})
    assert log["rates"][0]["positions"] == head
    await api.as_("member")
    assert await operator.get("/store/stats") == log, "many who look cost one look"
    ann = await api.as_("member")
    assert await ann.refused("GET", "/store/stats") == "403 access.denied"


async def test_readiness_names_what_is_missing_and_goes_first(api: Api) -> None:
    alive = await api.client.get("/livez")
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    starting = await api.client.get("/readyz")
    assert starting.status_code == 503
    assert starting.json()["missing"] == ["api", "projector", "worker", "scheduler"]
    assert (await api.client.get("/startupz")).status_code == 503
    async with api.runtime.db.connection() as connection:
        for role in ("projector", "worker", "scheduler"):
            await connection.execute(
                "INSERT INTO formula_nodes (node, role, name, pid, state)"
                " VALUES (%s, %s, 'here', 1, 'ready')",
                (uuid4(), role),
            )
    api.heart.set("ready")
    await api.heart.beat()
    ready = await api.client.get("/readyz")
    there: dict[str, object] = {"status": "ready", "missing": [], "degraded": []}
    assert (ready.status_code, ready.json()) == (200, there)
    api.heart.set("stopping")
    stopping = await api.client.get("/readyz")
    assert (stopping.status_code, stopping.json()["status"]) == (503, "stopping")
    assert (await api.client.get("/startupz")).status_code == 200, "it has started once"
