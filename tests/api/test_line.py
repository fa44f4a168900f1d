"""Thousands ask what nobody can answer now: they are turned away in turn, and nobody else waits."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter, sleep
from typing import Any, cast

import pytest

from api import http_protocol, turning_away
from api.serving import config, front
from infra.admission import DOOR
from infra.settings import Settings
from tests.api.busy import Busy, Caller, calling
from tests.integration.sockets import WAIT_S, listening

MANY, TURNS = 60, 20
SLOW_S = 0.01  # a turn: all of them take longer than the server needs to see that it is to stop


@asynccontextmanager
async def full(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Busy]:
    """One works, and no more than one of the others is turned away in a turn of the loop."""
    monkeypatch.setattr(DOOR, "most", 1)
    monkeypatch.setattr(turning_away, "PART", 0.0)
    monkeypatch.setattr(turning_away, "LEAST", 1)
    assert not DOOR.inside
    app, no_gateway = Busy(), cast("Any", None)
    served = config(front(app, no_gateway), Settings())
    async with listening(served) as app.url, calling(app, 1) as [worker]:
        worker.ask("/work")
        await app.has_begun(1)
        yield app
    assert not DOOR.inside


@pytest.fixture
async def busy(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Busy]:
    async with full(monkeypatch) as app:
        yield app
        app.go_on.set()


async def statuses(callers: list[Caller]) -> list[int]:
    return [(await one.answer())[0] for one in callers]


async def first_is_refused(before: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while DOOR.turned_away.total == before:  # noqa: ASYNC110, turns of this very loop count
            await asyncio.sleep(0)


async def slow_turns() -> None:
    while True:
        sleep(SLOW_S)  # noqa: ASYNC251, the loop is what has much to do
        await asyncio.sleep(0)


async def test_others_go_on_between_those_who_are_turned_away(busy: Busy) -> None:
    async with calling(busy, MANY) as callers:
        before = DOOR.turned_away.total
        for one in callers:
            one.ask("/work")
        await first_is_refused(before)
        first = DOOR.turned_away.total
        for _ in range(TURNS):
            await asyncio.sleep(0)
        assert DOOR.turned_away.total - first <= TURNS + 1 < MANY
        assert await statuses(callers) == [503] * MANY


async def test_who_waits_to_be_turned_away_is_let_in_once_there_is_room(busy: Busy) -> None:
    async with calling(busy, MANY) as callers:
        before = DOOR.turned_away.total
        for one in callers:
            one.ask("/quick")
        await first_is_refused(before)
        busy.go_on.set()
        found = await statuses(callers)
    assert (found[0], found[-1]) == (503, 204)


async def test_probes_pass_the_line(busy: Busy) -> None:
    async with calling(busy, MANY + 1) as [probe, *callers]:
        before = DOOR.turned_away.total
        for one in callers:
            one.ask("/work")
        await first_is_refused(before)
        assert await probe.status("/livez") == 204
        assert DOOR.turned_away.total - before < MANY
        await statuses(callers)


async def test_what_comes_of_one_who_waits_is_answered_in_its_order(busy: Busy) -> None:
    async with calling(busy, MANY + 1) as [*callers, last]:
        before = DOOR.turned_away.total
        for one in callers:
            one.ask("/work")
        last.ask("/work")
        await first_is_refused(before)
        last.ask("/livez")
        assert [(await last.answer())[0] for _ in range(2)] == [503, 204]
        assert await statuses(callers) == [503] * MANY


async def test_who_waits_when_the_server_stops_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncExitStack() as stack:
        async with full(monkeypatch) as app:
            callers = await stack.enter_async_context(calling(app, MANY))
            before = DOOR.turned_away.total
            for one in callers:
                one.ask("/work")
            slow = asyncio.create_task(slow_turns())
            await first_is_refused(before)
            told = asyncio.create_task(statuses(callers))
            told.add_done_callback(lambda _: slow.cancel() and app.go_on.set())
        assert await told == [503] * MANY


async def test_who_hangs_up_while_waiting_is_forgotten(busy: Busy) -> None:
    async with calling(busy, MANY + 1) as [*callers, last]:
        before = DOOR.turned_away.total
        for one in callers:
            one.ask("/work")
        await first_is_refused(before)
        for one in callers:
            one.hang_up()
        assert await last.status("/work") == 503


async def test_an_answer_to_head_has_no_body(busy: Busy) -> None:
    async with calling(busy, 1) as [one]:
        one.send(b"HEAD /work HTTP/1.1\r\nhost: x\r\n\r\n")
        status, headers = await one.head()
        assert (status, headers["content-type"]) == (503, "application/problem+json")
        assert await one.status("/livez") == 204


@pytest.mark.parametrize("cut", [1, 20, -1])
async def test_a_request_in_pieces_is_turned_away_as_well(busy: Busy, cut: int) -> None:
    whole = b"POST /work HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab"
    async with calling(busy, 1) as [one]:
        for _ in range(2):
            one.send(whole[:cut])
            await asyncio.sleep(0)
            one.send(whole[cut:])
            assert (await one.answer())[0] == 503
        one.send(whole + whole)
        assert [(await one.answer())[0] for _ in range(2)] == [503, 503]


async def test_what_is_no_request_is_refused_as_ever(busy: Busy) -> None:
    async with calling(busy, 2) as [one, two]:
        one.send(b"no request\r\n\r\n")
        assert (await one.answer())[0] == 400
        assert await one.is_hung_up()
        assert await two.status("/work") == 503


async def test_who_was_turned_away_has_as_long_as_anybody_to_ask_again(
    busy: Busy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_S", 0.5)
    async with calling(busy, 1) as [one]:
        end = perf_counter() + 2 * http_protocol.HEAD_S
        while perf_counter() < end:
            assert await one.status("/work") == 503
        assert await one.is_hung_up()
        assert perf_counter() - end > 0.9 * http_protocol.HEAD_S
