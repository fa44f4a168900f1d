"""Who was refused what is in the log of the process, and counted by route."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from api.realtime import protocol as p
from domain.user import Role
from infra.runtime import Runtime
from tests.integration.conftest import Api, Person, Place
from tests.integration.sockets import Live, live_gateway

Line = dict[str, Any]


def of(logs: list[Any], *names: str) -> list[tuple[Any, ...]]:
    lines = [line for line in logs if line["event"] == "access_refused"]
    return [tuple(line[name] for name in names) for line in lines]


async def test_a_refusal_says_who_asked_for_what_and_where(api: Api, place: Place) -> None:
    request = str(uuid4())
    with capture_logs() as logs:
        answer = await place.ann("GET", "/audit", X_Request_ID=request)
    assert answer.status_code == 403
    (line,) = [line for line in logs if line["event"] == "access_refused"]
    assert line == {
        "event": "access_refused",
        "log_level": "warning",
        "user": place.ann.id,
        "address": "127.0.0.1",
        "route": "/api/v1/audit",
        "method": "GET",
        "action": "audit.read",
        "code": "access.denied",
        "request_id": request,
        "api_key": None,
    }


async def test_what_is_hidden_is_told_as_nothing_and_written_as_a_refusal(
    api: Api, place: Place
) -> None:
    eve = await api.as_("member")
    with capture_logs() as logs:
        for path in (f"/projects/{place.project}", f"/tasks/{place.task}"):
            assert (await eve.refused("GET", path)).startswith("404 ")
        for path in (f"/projects/{uuid4()}", f"/tasks/{uuid4()}"):
            assert (await eve.refused("GET", path)).startswith("404 ")
    assert of(logs, "user", "route", "action") == [
        (eve.id, "/api/v1/projects/{project}", "project.read"),
        (eve.id, "/api/v1/tasks/{task}", "task.read"),
    ]


async def test_a_token_that_is_no_good_is_written_and_none_is_not(api: Api) -> None:
    ann = await api.as_("member")
    forged = Person(api.client, api.runtime.node, "", f"{ann.token}x")
    nobody = Person(api.client, api.runtime.node, "", "")
    key = await ann.do("POST", f"/users/{ann.id}/api-keys", {"name": "K", "scopes": ["read"]})
    robot = Person(api.client, api.runtime.node, "", key["key"])
    with capture_logs() as logs:
        assert await nobody.refused("GET", "/auth/me") == "401 auth.missing"
        assert await forged.refused("GET", "/auth/me") == "401 auth.bad_token"
        assert await robot.refused("POST", "/auth/logout") == "403 auth.not_by_key"
        await api.post("/auth/login", {"email": ann.email, "password": "not the password"})
        assert (await ann("POST", "/auth/logout")).status_code == 204
        assert await ann.refused("GET", "/auth/me") == "401 auth.signed_out"
    assert of(logs, "user", "api_key", "code") == [
        (None, None, "auth.bad_token"),
        (ann.id, key["id"], "auth.not_by_key"),
        (None, None, "auth.bad_credentials"),
        (ann.id, None, "auth.signed_out"),
    ]
    assert not [line for line in logs if ann.token in str(line) or key["key"] in str(line)]


async def test_refusals_are_counted_by_route(api: Api, place: Place) -> None:
    operator = await api.as_("operator")
    for _ in range(20):
        await place.ann.refused("GET", "/audit")
    token = {"Authorization": f"Bearer {operator.token}"}
    told = (await api.client.get("/metrics", headers=token)).text
    assert 'formula_access_refused_total{route="/api/v1/audit"} 20' in told.splitlines()


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    async with live_gateway(projected) as running:
        yield running


async def test_so_are_those_of_sockets(live: Live) -> None:
    project = await live.project(await live.user("boss", Role.ADMIN))
    guest = await live.user("guest", Role.GUEST)
    with capture_logs() as logs:
        socket = await live.open(guest)
        asked = await socket.say("join", room=f"project:{project}")
        assert (await socket.answer(asked))["code"] == "access.denied"
        assert (await socket.ask("leave", room="project:none"))["code"] == "room.not_joined"
        stranger = await live.open_by("no token")
        await stranger.closed()
    assert of(logs, "user", "address", "route", "action", "code", "request_id") == [
        (str(guest), "127.0.0.1", p.PATH, "room.join", "access.denied", str(asked)),
        (None, "127.0.0.1", p.PATH, None, "auth.bad_token", None),
    ]
    assert live.gateway.hub.refusals.counted.values == {p.PATH: 2}
