"""Long bodies, by a real server on both event loops: what comes is what was sent, and then the
connection goes on as it would have."""

import asyncio
import os
import queue
import socket
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
import uvicorn
from litestar import Litestar, Request, post
from litestar.exceptions import ClientException
from uvicorn.config import LoopFactoryType

from api.bodies import AHEAD, MOST_EACH, body, coming
from api.http_protocol import HttpProtocol
from api.turns import AT_ONCE
from infra.blobs.blocks import BLOCK
from tests.infra.until import wait_until

LOOPS: list[LoopFactoryType] = ["uvloop", "asyncio"]
WAIT_S = 20.0
PERSON = UUID(int=1)
HEAD = 1 << 18  # bytes: more than comes by the parser before the connection is lent
SIZES = [0, 1, BLOCK - 1, HEAD + BLOCK, 5 * BLOCK + 3]

came: queue.Queue[int] = queue.Queue()  # bytes, piece by piece
cut_off: queue.Queue[bytes] = queue.Queue()  # what there was of a body that broke off
holding = threading.Event()  # until it is set, `held` takes nothing more


@post("/told", request_max_body_size=None, status_code=200)
async def told(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The hash, and the sizes of the pieces: all are kept, so none may be written over."""
    pieces: list[Any] = []
    try:
        async for piece in body(request, PERSON):
            pieces.append(piece)
            came.put(len(piece))
    finally:
        cut_off.put(b"".join(pieces))
    return {
        "sha256": sha256(b"".join(pieces)).hexdigest(),
        "sizes": [len(piece) for piece in pieces],
    }


@post("/refused", request_max_body_size=None)
async def refused(request: Request[Any, Any, Any]) -> None:
    seen = 0
    async for piece in body(request, PERSON):
        seen += len(piece)
        if seen > BLOCK:
            raise ClientException("too much")


@post("/held", request_max_body_size=None, status_code=200)
async def held(request: Request[Any, Any, Any]) -> dict[str, int]:
    size = 0
    async for piece in body(request, PERSON):
        await asyncio.to_thread(holding.wait, WAIT_S)
        size += len(piece)
    return {"size": size}


@contextmanager
def serving(loop: LoopFactoryType) -> Generator[int]:
    app = Litestar([told, refused, held])
    config = uvicorn.Config(app, http=HttpProtocol, loop=loop, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(WAIT_S)


@pytest.fixture(scope="module", params=LOOPS)
def port(request: pytest.FixtureRequest) -> Generator[int]:
    with serving(request.param) as found:
        yield found


@pytest.fixture
def peer(port: int) -> Generator[socket.socket]:
    for told_of in (came, cut_off):
        told_of.queue.clear()
    holding.clear()
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as found:
        yield found


def head(path: str, size: int, more: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{more}\r\n".encode()


def answer(peer: socket.socket) -> tuple[int, bytes]:
    got = b""
    while b"\r\n\r\n" not in got:
        got += _some(peer)
    start, _, rest = got.partition(b"\r\n\r\n")
    (size,) = [
        int(line.split(b":")[1])
        for line in start.lower().split(b"\r\n")
        if line.startswith(b"content-length")
    ]
    while len(rest) < size:
        rest += _some(peer)
    return int(start.split()[1]), rest


def _some(peer: socket.socket) -> bytes:
    some = peer.recv(1 << 16)
    assert some, "closed"
    return some


def is_told(peer: socket.socket, content: bytes) -> None:
    status, text = answer(peer)
    assert status == 200
    assert sha256(content).hexdigest().encode() in text


@pytest.mark.parametrize("size", SIZES)
def test_what_comes_is_what_was_sent_and_the_connection_serves_again(
    peer: socket.socket, size: int
) -> None:
    for _ in range(2):
        content = os.urandom(size)
        peer.sendall(head("/told", size) + content)
        is_told(peer, content)


def test_a_long_body_comes_in_blocks(peer: socket.socket) -> None:
    content = os.urandom(8 * BLOCK)
    peer.sendall(head("/told", len(content)) + content)
    assert f"{BLOCK},{BLOCK}".encode() in answer(peer)[1].replace(b" ", b"")


def test_who_waits_to_be_asked_for_the_body_is_asked(peer: socket.socket) -> None:
    content = os.urandom(3 * BLOCK)
    peer.sendall(head("/told", len(content), "Expect: 100-continue\r\n"))
    assert peer.recv(100).startswith(b"HTTP/1.1 100")
    peer.sendall(content)
    is_told(peer, content)


def test_a_request_right_behind_a_long_one_is_answered_after_it(peer: socket.socket) -> None:
    one, two = os.urandom(3 * BLOCK), os.urandom(2 * BLOCK)
    sending = threading.Thread(
        target=peer.sendall,
        args=(head("/told", len(one)) + one + head("/told", len(two)) + two,),
    )
    sending.start()
    is_told(peer, one)
    is_told(peer, two)
    sending.join(WAIT_S)


def test_a_body_that_breaks_off_gives_what_came(peer: socket.socket) -> None:
    content = os.urandom(2 * BLOCK + 12_345)
    peer.sendall(head("/told", 9 * BLOCK) + content)
    peer.shutdown(socket.SHUT_WR)
    assert cut_off.get(timeout=WAIT_S) == content


def test_who_is_slow_is_read_as_it_comes(peer: socket.socket) -> None:
    """What has come is given before the rest is sent: it waits for no block to be full."""
    content = os.urandom(3 * BLOCK)
    peer.sendall(head("/told", len(content)) + content[: BLOCK + 5])
    seen = 0
    while seen < BLOCK + 5:
        seen += came.get(timeout=WAIT_S)
    peer.sendall(content[BLOCK + 5 :])
    is_told(peer, content)


def test_who_is_slow_keeps_nobody_from_being_read(port: int) -> None:
    with ExitStack() as stack:

        def opened() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", port), WAIT_S))

        slow = [opened() for _ in range(2 * AT_ONCE)]
        for one in slow:
            one.sendall(head("/told", 2 * BLOCK) + b"a")
            came.get(timeout=WAIT_S)
        content = os.urandom(5 * BLOCK)
        fast = opened()
        fast.sendall(head("/told", len(content)) + content)
        is_told(fast, content)
        for one in slow:
            one.sendall(bytes(2 * BLOCK - 1))
        for one in slow:
            is_told(one, b"a" + bytes(2 * BLOCK - 1))


def test_a_refusal_is_answered_while_more_comes_and_the_connection_serves_again(
    peer: socket.socket,
) -> None:
    peer.sendall(head("/refused", 6 * BLOCK) + bytes(6 * BLOCK))
    assert answer(peer)[0] == 400
    peer.sendall(head("/told", 3) + b"abc")
    is_told(peer, b"abc")


def test_who_sends_more_than_is_taken_has_to_wait(peer: socket.socket) -> None:
    """What is held for it is bounded: the kernel's buffers and some blocks."""
    size = 64 * BLOCK
    peer.sendall(head("/held", size))
    peer.settimeout(1.0)
    sent = 0
    with suppress(TimeoutError):
        while sent < size:
            sent += peer.send(bytes(BLOCK))
    assert sent < size - 16 * AHEAD * BLOCK
    peer.settimeout(WAIT_S)
    holding.set()
    while sent < size:
        sent += peer.send(bytes(min(BLOCK, size - sent)))
    assert answer(peer) == (200, b'{"size":%d}' % size)


def test_who_sends_many_at_once_waits_for_one_to_end(port: int) -> None:
    """Outside of the API, whose answer is a 429, that is an error like any other."""
    holding.clear()
    with ExitStack() as stack:

        def opened() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", port), WAIT_S))

        slow = [opened() for _ in range(MOST_EACH)]
        for one in slow:
            one.sendall(head("/held", 2) + b"a")
        wait_until(lambda: coming[PERSON] == MOST_EACH, WAIT_S)
        another = opened()
        another.sendall(head("/told", 1) + b"a")
        assert answer(another)[0] == 500
        holding.set()
        for one in slow:
            one.sendall(b"b")
            assert answer(one)[0] == 200
        wait_until(lambda: not coming, WAIT_S)
        another.sendall(head("/told", 1) + b"a")
        is_told(another, b"a")
