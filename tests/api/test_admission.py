"""A server that has as much to do as it takes on: who is let in, and who does not count."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import msgspec
import pytest

from api.serving import config, front
from api.turning_away import MOST_BODY
from infra.admission import DOOR
from infra.settings import Settings
from tests.api.busy import Busy, calling
from tests.integration.sockets import WAIT_S, listening

MOST = 2


@pytest.fixture
async def busy(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Busy]:
    monkeypatch.setattr(DOOR, "most", MOST)
    assert not DOOR.inside
    app, no_gateway = Busy(), cast("Any", None)
    async with listening(config(front(app, no_gateway), Settings())) as app.url:
        yield app
        app.go_on.set()
    assert not DOOR.inside


async def test_who_comes_when_all_are_busy_is_told_to_come_again(busy: Busy) -> None:
    async with calling(busy, MOST + 1) as callers:
        *first, last = callers
        for one in first:
            one.ask("/work")
        await busy.has_begun(MOST)
        last.ask("/work", body=b"{}")
        status, headers, body = await last.answer()
        assert (status, headers["retry-after"]) == (503, "1")
        assert headers["content-type"] == "application/problem+json"
        problem = msgspec.json.decode(body)
        assert problem["code"] == "server.busy"
        assert problem["instance"] == f"urn:uuid:{headers['x-request-id']}"
        busy.go_on.set()
        assert [(await one.answer())[0] for one in first] == [204] * MOST
        assert await last.status("/work") == 204  # over the connection that was refused
    assert busy.begun == ["/work"] * (MOST + 1)  # nobody has seen what was turned away


async def test_probes_are_answered_all_the_same(busy: Busy) -> None:
    async with calling(busy, MOST + 1) as callers:
        *first, last = callers
        for one in first:
            one.ask("/work")
        await busy.has_begun(MOST)
        for probe in ("/livez", "/readyz", "/startupz", "/metrics"):
            assert await last.status(probe) == 204
        assert await last.status("/other") == 503


@pytest.mark.parametrize("waits", ["/news", "/stream", "/upload"])
async def test_who_waits_for_something_else_keeps_nobody_out(busy: Busy, waits: str) -> None:
    async with calling(busy, 3 * MOST) as callers:
        *waiting, last = callers
        for number, one in enumerate(waiting):
            one.ask(waits, body=b"a", length=2)
            await busy.has_begun(number + 1)
        assert await last.status("/quick") == 204
        for one in waiting:
            one.send(b"b")
        busy.go_on.set()
        assert [(await one.answer())[0] for one in waiting] == [204] * len(waiting)


async def test_who_hangs_up_counts_until_the_work_ends(busy: Busy) -> None:
    """Else asking and going away, again and again, would be a way past the bound."""
    async with calling(busy, MOST + 1) as callers:
        *first, last = callers
        for one in first:
            one.ask("/work")
        await busy.has_begun(MOST)
        for one in first:
            one.hang_up()
        assert await last.status("/quick") == 503
        busy.go_on.set()
        async with asyncio.timeout(WAIT_S):
            while await last.status("/quick") == 503:
                pass


@pytest.mark.parametrize(
    ("size", "lines", "kept"),
    [(MOST_BODY, (), True), (MOST_BODY + 1, (), False), (2, ("connection: close",), False)],
)
async def test_a_body_is_passed_over_where_that_is_little(
    busy: Busy, size: int, lines: tuple[str, ...], *, kept: bool
) -> None:
    async with calling(busy, MOST + 1) as callers:
        *first, last = callers
        for one in first:
            one.ask("/work")
        await busy.has_begun(MOST)
        assert await last.status("/work", *lines, body=b"x" * size) == 503
        busy.go_on.set()
        for one in first:
            await one.answer()
        if kept:
            assert await last.status("/quick") == 204
        else:
            assert await last.is_hung_up()


async def test_requests_sent_at_once_are_answered_in_their_order(busy: Busy) -> None:
    async with calling(busy, MOST) as (one, two):
        one.ask("/work")
        two.ask("/work")
        await busy.has_begun(MOST)
        two.ask("/quick")
        busy.go_on.set()
        assert [(await two.answer())[0] for _ in range(2)] == [204, 204]


async def test_what_is_sent_right_behind_a_last_request_is_not_served(busy: Busy) -> None:
    async with calling(busy, MOST + 1) as callers:
        *first, last = callers
        for one in first:
            one.ask("/work")
        await busy.has_begun(MOST)
        last.send(
            b"GET /work HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
        )
        assert (await last.answer())[0] == 503
        assert await last.is_hung_up()
        busy.go_on.set()
        for one in first:
            await one.answer()
    assert busy.begun == ["/work"] * MOST
