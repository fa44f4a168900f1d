"""Every way a Wire may end, and readers that have stalled, on both event loops."""

import socket
from collections.abc import Generator

import pytest
from uvicorn.config import LoopFactoryType
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.sync.client import connect

from api.realtime import wire_protocol
from api.realtime.wire import text_frame
from api.realtime.wire_protocol import HIGH_WATER
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


@pytest.fixture(scope="module", autouse=True)
def impatience() -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire_protocol, "CLOSE_WAIT_S", 0.5)
        yield


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


def stalled(server: WireServer) -> Seen:
    """The newest connection, after more was sent to it than its peer, who does not read, takes."""
    seen = server.newest()
    for _ in range(200):
        server.call(lambda: seen.wire.send(CHUNK))
        if server.call(lambda: seen.wire.paused):
            return seen
    pytest.fail("the kernel has swallowed it all")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (masked(b"\x00", Opcode.BINARY), 1003),
        (masked(b"", Opcode.BINARY), 1003),
        (masked(b"a\xff"), 1007),
        (masked(b"\xc3", fin=False) + masked(b"a", Opcode.CONT), 1007),
        (masked(b"x" * 65_537), 1009),
        (masked(b"x" * 65_536, fin=False) + masked(b"x", Opcode.CONT), 1009),
        (masked(b"x" * 3_000_000), 1009),
        (text_frame(b"not masked"), 1002),
        (b"\xc1" + masked(b"reserved bit")[1:], 1002),
        (b"\x83" + masked(b"no such opcode")[1:], 1002),
        (masked(b"", Opcode.CONT), 1002),
        (masked(b"a", fin=False) + masked(b"b"), 1002),
        (b"\x09" + masked(b"half a ping")[1:], 1002),
        (close_frame(1005), 1002),
    ],
)
def test_a_broken_rule_has_its_code_and_what_came_before_is_answered(
    server: WireServer, sent: bytes, code: int
) -> None:
    with RawPeer(server) as peer:
        seen = server.newest()
        peer.send(masked(b"before") + sent + masked(b"after"))
        assert peer.text() == b"before"
        assert peer.close_code() == code
        assert peer.at_end()
    assert end_of(server, seen)[0] == code
    assert seen.texts.qsize() == 1


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (masked(b"a\xff"), 1007),
        (masked(b"\x00", Opcode.BINARY), 1003),
        (masked(b"a\xff") + masked(b"x" * 3_000_000), 1007),
    ],
)
def test_a_rule_broken_before_the_handler_is_ready_has_its_code_too(
    server: WireServer, sent: bytes, code: int
) -> None:
    with RawPeer(server, "/late") as peer:
        peer.send(masked(b"before") + sent + masked(b"after"))
        server.may_take.set()
        seen = server.newest()
        while (frame := peer.frame())[0] is not Opcode.CLOSE:  # "before" may have been answered
            pass
        assert int.from_bytes(frame[1][:2]) == code
    assert end_of(server, seen)[0] == code
    assert [seen.texts.get_nowait(), seen.texts.qsize()] == [b"before", 0]


@pytest.mark.parametrize(
    ("goodbye", "end"),
    [
        (close_frame(1000, "bye"), (1000, "bye")),
        (close_frame(4321), (4321, "")),
        (masked(b"", Opcode.CLOSE), (1005, "")),
    ],
)
def test_a_peers_goodbye_is_echoed_and_told(
    server: WireServer, goodbye: bytes, end: tuple[int, str]
) -> None:
    with RawPeer(server) as peer:
        seen = server.newest()
        peer.send(masked(b"last") + goodbye + masked(b"from the grave"))
        assert peer.text() == b"last"
        assert peer.frame() == (Opcode.CLOSE, goodbye[6:] and _unmasked(goodbye))
        assert peer.at_end()
    assert end_of(server, seen) == end
    assert seen.texts.qsize() == 1


def test_a_peer_may_say_goodbye_within_a_message(server: WireServer) -> None:
    with RawPeer(server) as peer:
        peer.send(masked(b"never to", fin=False) + close_frame(1000) + masked(b"end", Opcode.CONT))
        assert peer.close_code() == 1000
        assert peer.at_end()


def _unmasked(frame: bytes) -> bytes:
    return bytes(byte ^ frame[2 + at % 4] for at, byte in enumerate(frame[6:]))


def test_the_servers_goodbye_arrives_and_is_told(server: WireServer) -> None:
    with connect(server.url()) as client:
        client.send("close 4003")
        with pytest.raises(ConnectionClosed):
            client.recv(WAIT_S)
    assert (client.close_code, client.close_reason) == (4003, "as asked")
    assert end_of(server, server.newest()) == (4003, "as asked")


def test_goodbye_comes_after_what_was_queued_and_nothing_comes_after_goodbye(
    server: WireServer,
) -> None:
    with RawPeer(server) as peer:
        seen = server.newest()
        peer.send(masked(b"last-words adieu") + masked(b"unheard"))
        assert peer.text() == b"adieu"
        assert peer.close_code() == 1000
        peer.send(masked(b"unheard") + close_frame(1000))
        assert peer.at_end()
    assert end_of(server, seen) == (1000, "")
    assert seen.texts.qsize() == 1


def test_who_does_not_answer_goodbye_is_cut_off(server: WireServer) -> None:
    with RawPeer(server) as peer:
        peer.send(masked(b"close 4001"))
        assert peer.close_code() == 4001
        assert end_of(server, server.newest()) == (4001, "as asked")


@pytest.mark.parametrize("reset", [False, True])
def test_who_leaves_without_goodbye_ends_as_1006(server: WireServer, reset: bool) -> None:
    with RawPeer(server) as peer:
        seen = server.newest()
        if reset:
            peer.reset_on_close()
        peer.socket.close()
        assert end_of(server, seen) == (1006, "")


@pytest.mark.parametrize("text", [b"abort", b"raise"])
def test_an_abort_or_a_bug_ends_one_connection_only(server: WireServer, text: bytes) -> None:
    with RawPeer(server) as other, RawPeer(server) as peer:
        other.send(masked(b"here"))
        assert other.text() == b"here"
        server.newest()
        peer.send(masked(text) + masked(b"unheard"))
        seen = server.newest()
        assert end_of(server, seen) == (1006, "")
        assert seen.texts.qsize() == 1
        other.send(masked(b"still here"))
        assert other.text() == b"still here"


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("stall", [False, True])
def test_who_answers_no_ping_ends_as_1011(loop: LoopFactoryType, stall: bool) -> None:
    impatient = running(loop, ws_ping_interval=0.2, ws_ping_timeout=0.2)
    with impatient as server, RawPeer(server, receive_buffer=4096):
        seen = stalled(server) if stall else server.newest()
        assert end_of(server, seen)[0] == 1011


@pytest.mark.parametrize("loop", LOOPS)
def test_who_answers_pings_stays(loop: LoopFactoryType) -> None:
    eager = running(loop, ws_ping_interval=0.02, ws_ping_timeout=5)
    with eager as server, RawPeer(server) as peer:
        for _ in range(5):  # the next ping comes only once the last was answered
            opcode, payload = peer.frame()
            assert opcode is Opcode.PING
            peer.send(masked(payload, Opcode.PONG))


# Who does not read


def test_a_stalled_reader_pauses_its_own_wire_until_it_reads(server: WireServer) -> None:
    with RawPeer(server, receive_buffer=4096) as peer:
        seen = stalled(server)
        waiting = server.call(seen.wire.buffer_size)
        assert HIGH_WATER < waiting < 2 * HIGH_WATER
        with connect(server.url()) as other:
            other.send("unaffected")
            assert other.recv(WAIT_S) == "unaffected"
        server.call(lambda: seen.wire.send(text_frame(b"the end")))
        while peer.text() != b"the end":
            pass
        assert seen.drains.get(timeout=WAIT_S) is False
        assert server.call(seen.wire.buffer_size) == 0


def test_the_kernel_does_not_hide_a_stalled_reader() -> None:
    protocol, transports = counted()
    with running(ws=protocol) as server, RawPeer(server):
        server.newest()
        sock: socket.socket = transports[0].get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 65_536


def test_a_stalled_reader_can_be_aborted(server: WireServer) -> None:
    with RawPeer(server, receive_buffer=4096):
        seen = stalled(server)
        server.call(lambda: (seen.wire.abort(), seen.wire.close(4001)))  # too late for a goodbye
        assert end_of(server, seen) == (1006, "")


@pytest.mark.parametrize(
    ("sent", "end"),
    [
        (masked(b"close 4008"), (4008, "as asked")),
        (close_frame(1000), (1000, "")),
        (masked(b"\xff"), (1007, "not UTF-8")),
    ],
)
def test_a_stalled_readers_end_is_bounded(
    server: WireServer, sent: bytes, end: tuple[int, str]
) -> None:
    with RawPeer(server, receive_buffer=4096) as peer:
        seen = stalled(server)
        peer.send(sent)
        assert end_of(server, seen) == end


def test_a_stalled_reader_that_shuts_its_side_is_bounded(server: WireServer) -> None:
    with RawPeer(server, receive_buffer=4096) as peer:
        seen = stalled(server)
        peer.socket.shutdown(socket.SHUT_WR)
        assert end_of(server, seen) == (1006, "")


def test_a_stalled_reader_of_an_ordinary_handler_is_bounded_too() -> None:
    protocol, transports = counted()
    with running(ws=protocol) as server, RawPeer(server, "/flood", receive_buffer=4096) as peer:
        peer.send(masked(b"\xff"))
        assert transports[0].lost.wait(WAIT_S)


def test_who_pings_and_does_not_read_fills_nothing_and_gets_the_newest_pong(
    server: WireServer,
) -> None:
    with RawPeer(server, receive_buffer=4096) as peer:
        seen = stalled(server)
        waiting = server.call(seen.wire.buffer_size)
        for number in range(10_000):
            peer.send(masked(b"%d" % number, Opcode.PING))
        peer.send(masked(b"heard"))
        assert seen.texts.get(timeout=WAIT_S) == b"heard"
        assert server.call(seen.wire.buffer_size) <= waiting + len(text_frame(b"heard"))
        while (frame := peer.frame())[0] is Opcode.TEXT:
            pass
        assert frame == (Opcode.PONG, b"9999")


# The server's end


@pytest.mark.parametrize("loop", LOOPS)
def test_a_server_that_stops_says_so(loop: LoopFactoryType) -> None:
    with running(loop) as server:
        client = connect(server.url())
        seen = server.newest()
    with client, pytest.raises(ConnectionClosed):
        client.recv(WAIT_S)
    assert client.close_code == 1012
    assert seen.ends.get_nowait() == (1012, "")


@pytest.mark.parametrize("loop", LOOPS)
def test_stalled_readers_do_not_keep_a_server_from_stopping(loop: LoopFactoryType) -> None:
    with running(loop) as server:
        paths = ["/echo", "/flood", "/farewell"]
        peers = [RawPeer(server, path, receive_buffer=4096) for path in paths]
        seen = stalled(server)
    assert seen.ends.get_nowait() == (1012, "")
    assert seen.ends.empty()
    for peer in peers:
        peer.socket.close()
