"""A reader's outlet, and the answers that are made of what is in it, without a server."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest
from litestar.types import Message

from api.realtime import sse
from api.realtime.answering import told
from api.realtime.outlet import HIGH_WATER, End, Outlet
from api.realtime.reader import Reader
from api.realtime.sse import EventStream, event_of
from api.realtime.wire import payloads, text_frame

WAIT_S = 5.0


class Peer:
    """Takes what an answer sends, when it is let."""

    def __init__(self) -> None:
        self.body = b""
        self.reads = asyncio.Event()
        self.reads.set()
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.body":
            self.body += message["body"]


class Greeting:
    """As much of a reader as a stream needs."""

    welcome_frame = b'{"op":"welcome"}'

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet


def outlet() -> Outlet:
    return Outlet(lambda: None)


def ev(pos: int) -> bytes:
    return text_frame(msgspec.json.encode({"op": "ev", "pos": pos, "prev": pos - 1}))


def streaming(by: Outlet, peer: Peer) -> asyncio.Task[None]:
    stream: Any = EventStream(cast(Reader, Greeting(by)))
    return asyncio.create_task(stream({}, peer.receive, peer.send))


async def answered(by: Outlet, peer: Peer, meanwhile: Callable[[], None]) -> bytes:
    """The body of a stream that ends by itself once `meanwhile` was done."""
    running = streaming(by, peer)
    meanwhile()
    async with asyncio.timeout(WAIT_S):
        await running
    assert by.over
    return peer.body


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_frames_are_taken_out_of_their_wire_form(size: int) -> None:
    assert payloads(text_frame(b"x" * size) + text_frame(b"y")) == [b"x" * size, b"y"]


def test_an_events_id_is_a_place_in_the_chain() -> None:
    assert (
        event_of(b'{"op":"ev","pos":7,"prev":3}')
        == b'id: 7\ndata: {"op":"ev","pos":7,"prev":3}\n\n'
    )
    assert event_of(b'{"op":"skip","pos":8}').startswith(b"id: 8\n")
    for op in ("mo", "presence", "head", "lagged", "left"):
        assert event_of(b'{"op":"%s","pos":7}' % op.encode()).startswith(b"data: "), op


def test_a_frame_of_several_lines_is_one_event() -> None:
    assert event_of(b'{"op":"mo",\r\n"a":\n1}') == b'data: {"op":"mo",\ndata: "a":\ndata: 1}\n\n'


def test_who_is_sent_away_is_told_when_to_come_back() -> None:
    assert event_of(b'{"op":"closing","retry_after":1.5}').startswith(b"retry: 1500\ndata: ")


def test_only_news_ends_a_wait() -> None:
    quiet = (b'{"op":"head","pos":1}', b'{"op":"expiring"}', b'{"op":"joined","mode":"resume"}')
    news = (b'{"op":"ev","pos":1}', b'{"op":"mo","pos":1}', b'{"op":"joined","mode":"snapshot"}')
    assert not any(told(frame).news for frame in quiet)
    assert all(told(frame).news for frame in news)


async def test_a_peer_that_does_not_take_what_was_written_is_paused_and_drains() -> None:
    one, peer, drained = outlet(), Peer(), list[bool]()
    one.on_drain = lambda: drained.append(one.paused)
    peer.reads.clear()
    running = streaming(one, peer)
    one.send(ev(1))
    await asyncio.sleep(0)
    peer.reads.set()
    await until(lambda: b"id: 1\n" in peer.body)
    peer.reads.clear()
    one.send(ev(2))
    await until(lambda: one.paused)
    drained.clear()
    peer.reads.set()
    await until(lambda: b"id: 2\n" in peer.body)
    assert drained == [False]
    peer.gone.set()
    async with asyncio.timeout(WAIT_S):
        await running


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110, what is waited for takes turns of the loop
            await asyncio.sleep(0)


def test_what_waits_beyond_a_size_pauses_as_well() -> None:
    one = outlet()
    one.send(text_frame(b"x" * HIGH_WATER))
    assert not one.paused
    one.send(text_frame(b"x"))
    assert one.paused


async def test_a_stream_ends_where_frames_are_missing() -> None:
    one = outlet()
    lagged = text_frame(b'{"op":"lagged","from":1,"pos":9}')
    body = await answered(one, Peer(), lambda: one.send(ev(1) + lagged + ev(10)))
    assert b"id: 1\n" in body
    assert b"lagged" in body
    assert b"id: 10\n" not in body, "its place would hide what is missing"


async def test_a_stream_says_why_it_ends_after_all_it_has() -> None:
    one = outlet()

    def end() -> None:
        one.send(ev(1))
        one.close(4001, "auth.expired")
        one.send(ev(2))
        one.close(1000, "too late")

    body = await answered(one, Peer(), end)
    assert body.endswith(b'event: close\ndata: {"code":4001,"reason":"auth.expired"}\n\n')
    assert b"id: 1\n" in body
    assert b"id: 2\n" not in body
    assert one.end == End(4001, "auth.expired")


async def test_a_silent_stream_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.01)
    one, peer = outlet(), Peer()
    running = streaming(one, peer)
    await until(lambda: peer.body.count(b":\n\n") >= 2)
    peer.gone.set()
    async with asyncio.timeout(WAIT_S):
        await running


async def test_a_silent_stream_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LIFE_S", 0.01)
    codes: list[int] = []
    one = outlet()
    one.on_close = lambda code, _: codes.append(code)
    body = await answered(one, Peer(), lambda: None)
    assert b"event: close" not in body, "it is simply to be asked for again"
    assert codes == [1006]


async def test_a_peer_that_hangs_up_ends_its_stream() -> None:
    one, peer = outlet(), Peer()
    await answered(one, peer, peer.gone.set)
