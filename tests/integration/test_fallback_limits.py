"""Whoever has no WebSocket has the same limits."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import msgspec
import pytest

from infra.limits import lifted
from infra.runtime import Runtime
from infra.settings import Settings
from tests.integration.reading import Reader, asking, http, node

ACTIONS, CONNECTIONS = 4, 2


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        lifted(settings),
        rate_limit_actions_per_minute=ACTIONS,
        max_connections_per_user=CONNECTIONS,
    )


class Ann:
    """Who manages a project and reads its room, by as many connections as she likes."""

    def __init__(self, client: httpx.AsyncClient, token: str, room: str) -> None:
        self._client, self._token, self._room = client, token, room

    def reader(self) -> Reader:
        return Reader(self._client, self._token, self._room)


@pytest.fixture
async def ann(projected: Runtime) -> AsyncIterator[Ann]:
    async with node(projected.settings) as live, asking(http(live)) as client:
        user = await live.user("ann")
        yield Ann(client, live.token(user), f"project:{await live.project(user)}")


async def test_actions_are_limited_without_a_socket(ann: Ann) -> None:
    reader = ann.reader()
    async with reader.stream() as stream:
        await stream.op("joined")
        answers = [await reader.post("act", kind="x", data={}) for _ in range(ACTIONS + 1)]
        moved = await reader.post("cursor", at={"x": 1})
    assert [answer.status_code for answer in answers] == [200] * ACTIONS + [429]
    assert answers[-1].json()["code"] == "rate.limited"
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert moved.status_code == 204, "motion is no action"


async def test_a_stream_is_a_connection_like_any_other(ann: Ann) -> None:
    async with AsyncExitStack() as stack:
        streams = [  # kept: one that is forgotten ends
            await stack.enter_async_context(ann.reader().stream()) for _ in range(CONNECTIONS)
        ]
        for stream in streams:
            await stream.op("joined")
        refused = await ann.reader().asked()
        assert (refused.status_code, refused.json()["code"]) == (429, "rate.limited")
        assert int(refused.headers["Retry-After"]) > 0
