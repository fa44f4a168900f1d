"""What a gateway counts, right after known deliveries over real sockets; who may read it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, cast

import httpx
import msgspec
import pytest

from api.app import bind, create_app
from domain.user import Role
from infra.nodes import heartbeat, nodes
from infra.runtime import Runtime
from tests.clocks import showing
from tests.integration.sockets import Live, live_gateway, pair

TOKEN = "a-token-that-only-a-scraper-has"
AHEAD = timedelta(seconds=1)  # is the gateway's clock: no two clocks agree so well as to hide it


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    settings = msgspec.structs.replace(projected.settings, metrics_token=TOKEN)
    ahead = showing(projected, lambda: projected.now() + AHEAD)
    async with live_gateway(msgspec.structs.replace(ahead, settings=settings)) as running:
        yield running


async def test_deliveries_are_counted_as_they_are_made(live: Live) -> None:
    one, two, room = await pair(live)
    meters = live.gateway.hub.meters
    sent, size = meters.deliveries.values["event"], meters.bytes.values["event"]
    heard = meters.received.value
    for number in range(5):
        await one.ask("act", room=room, kind="n", data=number)
    for socket in (one, two):
        for _ in range(5):
            await socket.event("activity.recorded")
    assert meters.deliveries.values["event"] - sent == 10
    lengths = [len(msgspec.json.encode(frame)) for frame in two.seen if frame["op"] == "ev"]
    assert meters.bytes.values["event"] - size == 2 * sum(length + 4 for length in lengths[-5:])
    assert meters.received.value - heard == 5
    assert meters.latency.count >= 1
    assert 0.5 * meters.latency.count < meters.latency.sum < 10 * meters.latency.count
    assert meters.joins.values == {"snapshot": 4, "resume": 0}, "two rooms of their own among them"
    short = meters.short()
    assert (short["connections"], short["rooms"], short["members"]) == (2, 3, 4)


async def test_motion_resumes_gaps_and_closes_are_counted(live: Live) -> None:
    one, two, room = await pair(live)
    meters = live.gateway.hub.meters
    await one.say("cursor", room=room, at={"x": 1})
    await two.until(lambda frame: frame["op"] == "mo")
    assert meters.deliveries.values["motion"] == 2
    await two.ask("join", room=room, after=0)
    assert meters.joins.values["resume"] == 1
    await two.connection.close()
    await one.until(lambda frame: frame["op"] == "presence" and "leave" in frame)
    assert meters.closes.values == {"1000": 1}
    await live.gateway.hub.bus.unsubscribe(room)
    await one.ask("act", room=room, kind="lost")
    await one.until(lambda frame: frame["op"] == "ev" and frame["data"].get("kind") == "lost")
    assert (meters.gaps.value, meters.healed.value) == (1, 1)


async def test_operators_and_scrapers_read_them(live: Live) -> None:
    await pair(live)
    otto, ann = await live.user("otto", Role.OPERATOR), await live.user("ann")
    tokens = {live.token(otto): 200, TOKEN: 200, live.token(ann): 403, "": 401, TOKEN[:-1]: 401}
    async with heartbeat(live.runtime, "api") as heart:
        app = bind(create_app(), live.runtime, heart, live.gateway)
        # httpx and Litestar type ASGI apart
        transport = httpx.ASGITransport(cast(Any, app), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            for token, status in tokens.items():
                headers = {"Authorization": f"Bearer {token}"}
                answer = await client.get("/metrics", headers=headers)
                assert answer.status_code == status, (token, answer.text)
            headers = {"Authorization": f"Bearer {TOKEN}"}
            scraped = await client.get("/metrics", headers=headers)
            other = await client.get("/api/v1/realtime/jobs", headers=headers)
    assert scraped.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = scraped.text.splitlines()
    assert "formula_gateway_connections 2" in lines
    assert 'formula_gateway_joins_total{mode="snapshot"} 4' in lines
    assert "# TYPE formula_gateway_latency_seconds histogram" in lines
    assert other.status_code == 401, "the scraper's token opens nothing else"


async def test_a_node_tells_its_figures_with_every_beat(live: Live) -> None:
    await pair(live)
    async with heartbeat(live.runtime, "api") as heart:
        heart.report = live.gateway.hub.meters.short
        await heart.beat()
        [node] = [one for one in await nodes(live.runtime) if one.role == "api"]
    assert (node.detail["connections"], node.detail["members"]) == (2, 4)


async def test_a_node_beats_while_requests_have_all_connections(live: Live) -> None:
    """Or the reaper would take an overloaded one for gone, and all its people with it."""
    runtime = live.runtime
    async with AsyncExitStack() as stack, heartbeat(runtime, "api") as heart:
        for _ in range(runtime.settings.database_pool_size):
            await stack.enter_async_context(runtime.db.connection())
        await heart.beat()
