"""Thousands of sockets in one thread, at little more than the cost of reading them.

Waiting is epoll's, without asyncio between: the load must cost far less than who is measured.
"""

import resource
import select
import socket
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Protocol

from bench.load import ws

READ = 256 * 1024  # bytes of one read
AT_ONCE = 200  # sockets that are not in yet: a server's backlog is bounded
ADDRESSES = 8  # of loopback, to connect from: each has as many ports as the kernel gives out
CONNECT_S = 180.0  # for all: what is too slow is to be told in seconds, not as an error


class Dialect(Protocol):
    """What one says to a server; `number` tells who says it."""

    held: dict[int, int]  # by number: the room's last position they have, where they come back

    def upgrade(self, number: int) -> bytes:
        """The request that begins."""
        ...

    def opened(self, number: int) -> bytes:
        """What is sent once the socket is one."""
        ...

    def heard(self, number: int, payload: bytes) -> bytes:
        """What is sent upon a text."""
        ...

    def is_in(self, payload: bytes) -> bool:
        """Whether this text says that one is in the room."""
        ...

    def act(self, number: int, data: bytes) -> bytes:
        """The frame that says `data`, a JSON object, to the room."""
        ...


class Peer:
    """One socket and who it belongs to."""

    __slots__ = ("frames", "number", "sock", "upgraded")

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.frames = ws.Frames()
        self.upgraded = False

    def texts(self, data: bytes) -> list[bytes]:
        """The texts in what was read; pings are answered."""
        texts: list[bytes] = []
        for opcode, payload in self.frames.feed(data):
            if opcode == ws.TEXT:
                texts.append(payload)
            elif opcode == ws.PING:
                self.sock.send(ws.frame(ws.PONG, payload))
            elif opcode == ws.CLOSE:
                raise ConnectionError(f"closed with {int.from_bytes(payload[:2])}")
        return texts


class Crowd:
    """The sockets, by descriptor, and one place to wait for all of them."""

    def __init__(
        self, port: int, dialect: Dialect, note: Callable[[int, bytes], None] | None = None
    ) -> None:
        """`note` is given each text that comes, and the number of who got it."""
        self.peers: dict[int, Peer] = {}
        self.epoll = select.epoll()
        self._port, self._dialect, self._note = port, dialect, note

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        self.close(list(self.peers.values()))
        self.epoll.close()

    def close(self, peers: Iterable[Peer]) -> None:
        """Without a goodbye."""
        for peer in peers:
            del self.peers[peer.sock.fileno()]
            peer.sock.close()

    def enter(
        self, numbers: Sequence[int], receive_buffer: int = 0, at_once: int = AT_ONCE
    ) -> list[Peer]:
        """Connect so many and bring them into the room; returns when the last one is in."""
        waiting, coming, come = list(reversed(numbers)), dict[int, Peer](), list[Peer]()
        late = time.perf_counter() + CONNECT_S
        while len(come) < len(numbers):
            while waiting and len(coming) < at_once:
                peer = self._connect(waiting.pop(), receive_buffer)
                coming[peer.sock.fileno()] = peer
            if time.perf_counter() > late:
                raise TimeoutError(f"{len(numbers) - len(come)} sockets are not in")
            for peer in self._ready(1.0):
                if self._comes_in(peer) and coming.pop(peer.sock.fileno(), None):
                    come.append(peer)
        return come

    def hear(self, timeout_s: float) -> None:
        """Read what is there, or wait for it."""
        for peer in self._ready(timeout_s):
            for text in peer.texts(peer.sock.recv(READ)):
                self._answer(peer, text)

    def _ready(self, timeout_s: float) -> Generator[Peer]:
        for descriptor, _ in self.epoll.poll(timeout_s):
            yield self.peers[descriptor]

    def _connect(self, number: int, receive_buffer: int) -> Peer:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.bind((f"127.0.0.{1 + number % ADDRESSES}", 0))
        sock.connect(("127.0.0.1", self._port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.send(self._dialect.upgrade(number))
        peer = self.peers[sock.fileno()] = Peer(sock, number)
        self.epoll.register(sock, select.EPOLLIN)
        return peer

    def _comes_in(self, peer: Peer) -> bool:
        """Read on; whether that says that it is in."""
        data = peer.sock.recv(READ)
        if not data:
            raise ConnectionError("the server closed a socket that was coming in")
        if not peer.upgraded:
            head, found, data = data.partition(ws.END_OF_HEAD)
            if not found or b" 101 " not in head[:20]:
                raise ConnectionError(head.partition(b"\r\n")[0].decode())
            peer.upgraded = True
            self._say(peer, self._dialect.opened(peer.number))
        texts = peer.texts(data)
        for payload in texts:
            self._answer(peer, payload)
        return any(self._dialect.is_in(payload) for payload in texts)

    def _answer(self, peer: Peer, text: bytes) -> None:
        if self._note is not None:
            self._note(peer.number, text)
        self._say(peer, self._dialect.heard(peer.number, text))

    def _say(self, peer: Peer, frames: bytes) -> None:
        if frames:
            peer.sock.send(frames)


def open_files(needed: int) -> int:
    """Let this process and its children open as many files as the system lets them; how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(soft, hard)
