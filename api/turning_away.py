"""What is said to who is turned away when too much is asked at once; no application is asked.

It costs a tenth of an answer. Where so many ask that even this would leave no time for any answer,
they wait to be turned away: each of them has one connection, and asks nothing more meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from random import Random
from time import perf_counter
from weakref import WeakKeyDictionary

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from api.errors import MEDIA_TYPE, TITLES, Problem
from infra.admission import DOOR, RETRY_AFTER_S

MOST_BODY = 64 * 1024  # bytes that are passed over to keep a connection
BUSY = 503
PART = 1 / 4  # of the time that the loop has for all else, to turn away
MOST_S = 0.02  # at a time
LEAST = 8  # at a time: a turn of the loop costs as much as turning one away

_bits = Random().getrandbits  # noqa: S311, an id is no secret


class Line:
    """Of those who ask while no more is worked on: let in or turned away in their order."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._turns, self._ended = loop, deque[Callable[[], None]](), 0.0

    def __len__(self) -> int:
        return len(self._turns)

    def join(self, turn: Callable[[], None]) -> None:
        if not self._turns:
            self._loop.call_soon(self._go_on)
        self._turns.append(turn)

    def _go_on(self) -> None:
        """Once in each turn of the loop: some at least, and who can be let in."""
        begin = perf_counter()
        end = begin + min(PART * (begin - self._ended), MOST_S)
        try:
            for number in count(1):
                if not self._turns:
                    break
                self._turns.popleft()()
                if number >= LEAST and DOOR.full and perf_counter() >= end:
                    break
        finally:
            self._ended = perf_counter()
            if self._turns:
                self._loop.call_soon(self._go_on)


_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, Line] = WeakKeyDictionary()


def line_of(loop: asyncio.AbstractEventLoop) -> Line:
    found = _lines.get(loop)
    if found is None:
        found = _lines[loop] = Line(loop)
    return found


class Glance:
    """What there is to know of a request that is turned away: its end, and that none is behind."""

    def __init__(self) -> None:
        self._begun, self._ended = 0, b""
        self._parser = HttpRequestParser(self)

    def method(self, data: bytes) -> bytes:
        """Of the one request that this is, all of it, over a connection that stays; else b""."""
        self._begun, self._ended = 0, b""
        with suppress(HttpParserError, HttpParserUpgrade):
            self._parser.feed_data(data)
            if self._is_one():
                return self._ended
        self._parser = HttpRequestParser(self)
        return b""

    def _is_one(self) -> bool:
        return self._begun == 1 and self._ended != b""

    def on_message_begin(self) -> None:
        self._begun += 1

    def on_message_complete(self) -> None:
        if self._parser.should_keep_alive():
            self._ended = self._parser.get_method()


_glance = Glance()


def whole(data: bytes) -> bytes:
    """The method, where this is one request with no more than may be passed over, else b""."""
    return _glance.method(data) if len(data) <= MOST_BODY else b""


def busy(method: bytes, *, keep_alive: bool) -> bytes:
    """The whole answer."""
    hexed = b"%032x" % _bits(128)
    id_ = b"-".join((hexed[:8], hexed[8:12], hexed[12:16], hexed[16:20], hexed[20:]))
    answer = (KEEPS if keep_alive else CLOSES) % (id_, id_)
    return answer[: answer.index(HEAD_END) + len(HEAD_END)] if method == b"HEAD" else answer


def _answer(connection: str) -> bytes:
    """With a place for the request's id in the head, and in the body."""
    code, id_ = "server.busy", "%b"
    body = msgspec.json.encode(
        Problem(f"urn:formula:problem:{code}", TITLES[BUSY], BUSY, code, f"urn:uuid:{id_}")
    )
    length = len(body) - len(id_) + ID_LENGTH
    lines = (
        f"HTTP/1.1 {BUSY} {TITLES[BUSY]}",
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {length}",
        f"retry-after: {RETRY_AFTER_S}",
        "cache-control: no-store",
        f"connection: {connection}",
        f"x-request-id: {id_}",
    )
    return "\r\n".join((*lines, "", "")).encode() + body


ID_LENGTH = 36
HEAD_END = b"\r\n\r\n"
KEEPS, CLOSES = _answer("keep-alive"), _answer("close")
