"""Conformance of Wire with RFC 6455, and with what a room relies on, on both event loops."""

import asyncio
from collections import Counter
from collections.abc import Generator

import pytest
from uvicorn.config import LoopFactoryType
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from api.realtime.wire import text_frame
from api.realtime.wire_protocol import TURN
from tests.api.wire_app import (
    WAIT_S,
    RawPeer,
    Seen,
    WireServer,
    close_frame,
    counted,
    masked,
    running,
)

LOOPS: list[LoopFactoryType] = ["uvloop", "asyncio"]
CHUNK = text_frame(b"x" * 60_000)


@pytest.fixture(scope="module", params=LOOPS)
def started(request: pytest.FixtureRequest) -> Generator[WireServer]:
    with running(request.param) as server:
        yield server


@pytest.fixture
def server(started: WireServer) -> WireServer:
    started.forget()
    return started


def end_of(server: WireServer, seen: Seen) -> tuple[int, str]:
    """The one end that on_close tells of."""
    end = seen.ends.get(timeout=WAIT_S)
    server.call(lambda: None)
    assert seen.ends.empty()
    return end


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_text_of_any_size_comes_back(server: WireServer, size: int) -> None:
    with connect(server.url()) as client:
        client.send("é" * (size // 2) + "x" * (size % 2))
        assert client.recv(WAIT_S) == "é" * (size // 2) + "x" * (size % 2)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_text_frame_is_what_the_library_would_make(size: int) -> None:
    library = Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)
    assert text_frame(b"x" * size) == library


def test_fragments_make_one_message(server: WireServer) -> None:
    with RawPeer(server) as peer:
        peer.send(masked("hé".encode()[:2], fin=False))  # within a character
        peer.send(masked("hé".encode()[2:], Opcode.CONT, fin=False) + masked(b"!", Opcode.CONT))
        assert peer.text() == "hé!".encode()


def test_control_frames_may_come_between_fragments(server: WireServer) -> None:
    with RawPeer(server) as peer:
        peer.send(masked(b"he", fin=False) + masked(b"p", Opcode.PING))
        assert peer.frame() == (Opcode.PONG, b"p")
        peer.send(masked(b"y", Opcode.PONG) + masked(b"llo", Opcode.CONT))
        assert peer.text() == b"hello"


def test_a_pong_comes_before_what_a_later_frame_is_answered_with(server: WireServer) -> None:
    with RawPeer(server) as peer:
        peer.send(masked(b"he", fin=False) + masked(b"p", Opcode.PING) + masked(b"y", Opcode.CONT))
        assert [peer.frame(), peer.frame()] == [(Opcode.PONG, b"p"), (Opcode.TEXT, b"hey")]


def test_empty_fragments_without_end_fill_nothing() -> None:
    protocol, transports = counted()
    with running(ws=protocol) as server, RawPeer(server) as peer:
        peer.send(masked(b"a", fin=False) + masked(b"", Opcode.CONT, fin=False) * 1_000)
        peer.send(masked(b"p", Opcode.PING))
        assert peer.frame() == (Opcode.PONG, b"p")
        assert transports[0].get_protocol().frames == [b"a"]
        peer.send(masked(b"b", Opcode.CONT))
        assert peer.text() == b"ab"


def test_who_sends_much_at_once_lets_others_have_their_turn(server: WireServer) -> None:
    with RawPeer(server) as peer:
        seen = server.newest()
        turns, heard = Turns(), Counter[int]()

        def hear(_: bytes) -> None:
            heard[turns.now] += 1

        server.call(turns.go_on)
        seen.wire.on_message = hear
        peer.send((masked(b"x") + masked(b"p", Opcode.PING)) * 1_000)
        for _ in range(1_000):
            assert peer.frame() == (Opcode.PONG, b"p")
        turns.over = True
        assert heard.total() == 1_000
        assert max(heard.values()) <= TURN


class Turns:
    """Counts those of a loop."""

    def __init__(self) -> None:
        self.now, self.over = 0, False

    def go_on(self) -> None:
        self.now += 1
        if not self.over:
            asyncio.get_running_loop().call_soon(self.go_on)


def test_a_text_after_a_fragmented_one_is_another(server: WireServer) -> None:
    with RawPeer(server) as peer:
        peer.send(masked(b"a", fin=False) + masked(b"b", Opcode.CONT) + masked(b"c"))
        assert [peer.text(), peer.text()] == [b"ab", b"c"]


def test_segments_of_one_byte_lose_nothing(server: WireServer) -> None:
    frames = masked(b"one") + masked(b"t" * 300) + masked(b"p", Opcode.PING)
    with RawPeer(server) as peer:
        server.newest()
        for byte in frames + masked(b"th", fin=False) + masked(b"ree", Opcode.CONT):
            peer.send(bytes([byte]))
        got = [peer.frame() for _ in range(4)]
    assert [said for opcode, said in got if opcode is Opcode.TEXT] == [b"one", b"t" * 300, b"three"]
    assert got[2] == (Opcode.PONG, b"p")


def test_frames_of_one_segment_come_in_order_whatever_their_kind(server: WireServer) -> None:
    with RawPeer(server) as peer:
        last = masked(b"4")
        fragmented = masked(b"2", fin=False) + masked(b"-", Opcode.CONT)
        peer.send(masked(b"1") + fragmented + masked(b"3") + last[:-1])
        assert [peer.text(), peer.text(), peer.text()] == [b"1", b"2-", b"3"]
        peer.send(last[-1:])
        assert peer.text() == b"4"


@pytest.mark.parametrize("loop", LOOPS)
def test_all_frames_of_one_turn_leave_in_one_write(loop: LoopFactoryType) -> None:
    protocol, transports = counted()
    with running(loop, ws=protocol) as server, RawPeer(server) as peer:
        peer.send(masked(b"warm"))
        assert peer.text() == b"warm"
        before = transports[0].writes
        peer.send(masked(b"many 1000"))
        assert [peer.text() for _ in range(1000)] == [b"%d" % number for number in range(1000)]
        assert transports[0].writes == before + 1


def test_the_subprotocol_is_agreed_on(server: WireServer) -> None:
    offered = [Subprotocol("other"), Subprotocol("formula.v1.json")]
    with connect(server.url(), subprotocols=offered) as client:
        assert client.subprotocol == "formula.v1.json"


@pytest.mark.parametrize("deflate", [False, True])
def test_a_client_that_offers_deflate_is_understood(deflate: bool) -> None:
    with running(ws_per_message_deflate=deflate) as server, connect(server.url()) as client:
        assert bool(client.protocol.extensions) is deflate
        for text in ["again " * 100, "again " * 100, ""]:
            client.send(text)
            assert client.recv(WAIT_S) == text


def test_without_taking_over_it_is_an_ordinary_websocket(server: WireServer) -> None:
    with connect(server.url("/plain")) as client:
        client.send("one")
        client.send("two")
        assert [client.recv(WAIT_S), client.recv(WAIT_S)] == ["one", "two"]
    assert server.returned.get(timeout=WAIT_S) == "/plain"


def test_a_handler_may_still_refuse(server: WireServer) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        connect(server.url("/refuse"))


# Taking over


def test_what_comes_before_the_handler_is_ready_waits_for_it(server: WireServer) -> None:
    with RawPeer(server, "/late") as peer:
        peer.send(b"".join(masked(b"%d" % number) for number in range(100)))
        server.may_take.set()
        assert [peer.text() for _ in range(100)] == [b"%d" % number for number in range(100)]


def test_who_floods_before_the_handler_is_ready_has_to_wait(server: WireServer) -> None:
    with RawPeer(server, "/late") as peer:
        peer.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            peer.send(masked(b"x" * 60_000) * 500)  # 30 MB: more than the kernel takes
    server.may_take.set()
    server.newest()


def test_a_client_that_left_before_the_handler_was_ready_is_heard_and_gone(
    server: WireServer,
) -> None:
    with RawPeer(server, "/late") as peer:
        peer.send(masked(b"hello") + close_frame(1001, "off"))
        assert peer.close_code() == 1001
    server.may_take.set()
    seen = server.newest()
    assert end_of(server, seen) == (1001, "off")
    assert seen.texts.get_nowait() == b"hello"


def test_a_detached_connection_outlives_its_handler(server: WireServer) -> None:
    with connect(server.url()) as client:
        assert server.returned.get(timeout=WAIT_S) == "/echo"
        client.send("still here")
        assert client.recv(WAIT_S) == "still here"


@pytest.mark.parametrize(("path", "code"), [("/returns", 1000), ("/crash", 1011)])
def test_a_connection_that_is_not_detached_ends_with_its_handler(
    server: WireServer, path: str, code: int
) -> None:
    with connect(server.url(path)) as client, pytest.raises(ConnectionClosed):
        client.recv(WAIT_S)
    assert client.close_code == code
    assert end_of(server, server.newest())[0] == code


def test_a_handler_that_stays_learns_of_the_end(server: WireServer) -> None:
    with RawPeer(server, "/held") as peer:
        peer.send(masked(b"hi"))
        assert peer.text() == b"hi"
        peer.send(close_frame(4321))
        assert server.codes.get(timeout=WAIT_S) == 4321
    assert server.returned.get(timeout=WAIT_S) == "/held"
