"""/realtime/alerts: what operators see and do, over REST, in the room `ops` and by commands."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from domain.alert import ALERT, Observe, alert_stream
from domain.alert_events import Watch
from domain.user import Role
from infra.runtime import SYSTEM, Runtime
from projections.read import wait_for
from tests.integration.command import formula
from tests.integration.conftest import Api, Person
from tests.integration.sockets import Live, live_gateway

ALERTS = "/realtime/alerts"
CPU = Watch(rule="cpu", group="machine", about="of cores", unit="share", warning=0.7, critical=0.85)
MEMORY = msgspec.structs.replace(CPU, rule="memory")
JOBS = msgspec.structs.replace(CPU, rule="dead_jobs", group="jobs", critical=None)


async def seen(runtime: Runtime, watch: Watch, value: float) -> int:
    command = Observe(watch=watch, value=value, at=runtime.now())
    outcome = await runtime.execute(SYSTEM, ALERT, alert_stream(watch.rule), command)
    assert outcome.position is not None
    await wait_for(runtime, "queries", outcome.position)
    return outcome.position


@pytest.fixture
async def otto(api: Api) -> Person:
    return await api.as_("operator")


async def test_they_are_listed_as_they_stand(api: Api, otto: Person) -> None:
    assert await otto.get(ALERTS) == {"items": [], "next": None}
    await seen(api.runtime, CPU, 0.9)
    await seen(api.runtime, MEMORY, 0.75)
    await seen(api.runtime, MEMORY, 0.1)
    await seen(api.runtime, JOBS, 5.0)
    found = (await otto.get(ALERTS))["items"]
    assert [(one["rule"], one["state"], one["severity"], one["value"]) for one in found] == [
        ("cpu", "firing", "critical", 0.9),
        ("dead_jobs", "firing", "warning", 5.0),
        ("memory", "resolved", None, 0.1),
    ]
    assert found[0] == found[0] | {"group": "machine", "about": "of cores", "threshold": 0.85}
    for filters, rules in (
        ({"state": "firing"}, ["cpu", "dead_jobs"]),
        ({"severity": "critical"}, ["cpu"]),
        ({"group": "jobs"}, ["dead_jobs"]),
        ({"state": "pending"}, []),
    ):
        assert [one["rule"] for one in (await otto.get(ALERTS, **filters))["items"]] == rules
    first = await otto.get(ALERTS, limit=2)
    rest = await otto.get(ALERTS, limit=2, cursor=first["next"])
    assert [one["rule"] for one in rest["items"]] == ["memory"]


async def test_each_has_its_history(api: Api, otto: Person) -> None:
    for value in (0.75, 0.9, 0.75, 0.1):
        await seen(api.runtime, CPU, value)
    found = await otto.get(f"{ALERTS}/cpu", limit=3)
    assert [one["event"] for one in found["history"]["items"]] == [
        "resolved",
        "recovering",
        "eased",
    ]
    rest = await otto.get(f"{ALERTS}/cpu", cursor=found["history"]["next"])
    assert [(one["event"], one["severity"], one["value"]) for one in rest["history"]["items"]] == [
        ("recovering", "critical", 0.75),
        ("worsened", "critical", 0.9),
        ("pending", "critical", 0.9),
        ("fired", "warning", 0.75),
        ("pending", "warning", 0.75),
    ]
    assert await otto.refused("GET", f"{ALERTS}/nothing") == "404 alert.not_found"


async def test_somebody_looks_after_one_until_it_is_resolved(api: Api, otto: Person) -> None:
    path = f"{ALERTS}/cpu/acknowledge"
    assert await otto.refused("POST", path, {}) == "409 alert.not_firing"
    await seen(api.runtime, CPU, 0.9)
    await otto.do("POST", path, {"note": "on it"})
    found = (await otto.get(f"{ALERTS}/cpu"))["alert"]
    assert (found["note"], found["acknowledged_by"]) == ("on it", otto.id)
    await seen(api.runtime, CPU, 0.1)
    found = await otto.get(f"{ALERTS}/cpu")
    assert (found["alert"]["note"], found["alert"]["acknowledged_at"]) == ("", None)
    [moment] = [one for one in found["history"]["items"] if one["event"] == "acknowledged"]
    assert (moment["by"], moment["note"]) == (otto.id, "on it")


async def test_silences_are_placed_and_ended(api: Api, otto: Person) -> None:
    path = f"{ALERTS}/silences"
    until = (api.runtime.now() + timedelta(hours=1)).isoformat()
    new: dict[str, Any] = {"rule": "cpu", "reason": "load test", "until": until}
    silence = (await otto.do("POST", path, new))["id"]
    [one] = (await otto.get(path))["items"]
    assert (one["id"], one["rule"], one["severity"], one["placed_by"]) == (
        silence,
        "cpu",
        None,
        otto.id,
    )
    await otto.do("DELETE", f"{path}/{silence}")
    assert (await otto.get(path))["items"] == []
    [one] = (await otto.get(path, over=True))["items"]
    assert one["ended_by"] == otto.id
    assert await otto.refused("DELETE", f"{path}/{silence}") == "404 silence.not_found"
    for wrong in (
        {"until": "2020-01-01T00:00:00Z"},
        {"reason": " "},
        {"until": "2020-01-01T00:00"},
    ):
        assert (await otto.refused("POST", path, new | wrong)).startswith("422 ")


async def test_to_ask_again_is_to_ask_once(api: Api, otto: Person) -> None:
    until = (api.runtime.now() + timedelta(hours=1)).isoformat()
    body = {"reason": "load test", "until": until}
    answers = [
        await otto("POST", f"{ALERTS}/silences", body, Idempotency_Key="one") for _ in range(2)
    ]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert answers[1].headers["Idempotent-Replayed"] == "true"


async def test_others_may_neither_see_nor_change(api: Api) -> None:
    boss = await api.as_("manager")
    for method, path in (("GET", ""), ("GET", "/cpu"), ("GET", "/silences")):
        assert await boss.refused(method, ALERTS + path) == "403 access.denied"
    assert await boss.refused("POST", f"{ALERTS}/cpu/acknowledge", {}) == "403 access.denied"


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    async with live_gateway(projected) as running:
        yield running


async def test_the_room_for_operators_is_told(live: Live) -> None:
    socket = await live.open(await live.user("otto", Role.OPERATOR))
    assert (await socket.ask("join", room="ops"))["op"] == "joined"
    await seen(live.runtime, CPU, 0.9)
    fired = await socket.event("alert.fired")
    assert fired["data"] == fired["data"] | {"rule": "cpu", "severity": "critical", "value": 0.9}
    await seen(live.runtime, CPU, 0.1)
    assert (await socket.event("alert.resolved"))["data"]["severity"] == "critical"


async def test_by_commands(projected: Runtime) -> None:
    await seen(projected, CPU, 0.9)

    async def run(*arguments: str) -> str:
        code, out, err = await formula(projected, "alerts", *arguments)
        assert code == 0, err
        return out

    assert "cpu   firing  critical  0.9    0.85" in await run("list")
    assert msgspec.json.decode(await run("list", "--json"))["rule"] == "cpu"
    await run("ack", "cpu", "--note", "on it")
    await wait_for(projected, "queries", await projected.store.head())
    shown = await run("show", "cpu")
    assert shown.startswith("cpu: firing, of cores\n")
    assert "acknowledged" in shown
    placed = msgspec.json.decode(await run("silence", "--reason", "a drill", "--json"))["id"]
    await wait_for(projected, "queries", await projected.store.head())
    assert f"{placed}  all" in await run("silences")
    await run("unsilence", placed)
    await wait_for(projected, "queries", await projected.store.head())
    assert placed not in await run("silences")
    assert "ws_missed_pings" in await run("rules")
    assert (await run("export", "prometheus")).startswith("# Alert rules of Formula")
    assert msgspec.json.decode(await run("export", "grafana"))["title"] == "Formula"
    for wrong in (
        ("ack", "memory"),
        ("show", "nothing"),
        ("silence", "--reason", "x", "--for", "1"),
    ):
        code, _, err = await formula(projected, "alerts", *wrong)
        assert code == 1
        assert len(err.strip().splitlines()) == 1, err
