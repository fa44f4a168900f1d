"""Requests that come when they are due, whether others are answered or not."""

import asyncio
import time
from array import array
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

import msgspec

from bench.load.distribution import distribution
from bench.load.loops import Latencies, Tally, Window, arrivals
from bench.load.requests import END_S, HEAD_END, LENGTH, MAX_WORDS

REFUSED = b"HTTP/1.1 503 "
RETRY = b"\r\nretry-after: "
PATIENCE_S = 1.0  # for a connection: who asks would have gone, and those behind are not late by it


class Came(msgspec.Struct):
    """What came while the window was open, and what became of what was due then."""

    good: int = 0
    refused: int = 0  # told when to come again
    due: int = 0
    answered: int = 0  # of these, well, at last
    gone: int = 0  # of these, without a connection


async def due(
    port: int, requests: Iterator[bytes], rate: int, lines: int, window: Window
) -> tuple[dict[str, float], Tally]:
    """`good` and `refused` a second, `offered`, and milliseconds since they were due; `failed`: %
    of what was due that was never answered well; `gone`: % that was never sent, as nobody waits
    longer than PATIENCE_S for a connection. `asked p50` …: of the good ones, and of those that had
    gone, or still waited when it was over, for as long as they had. `behind p99`: ms that this
    load was late itself.

    Nobody waits for a connection without that counting: time runs from when a request was due.
    """
    tally, came, loop = Tally(), Came(), asyncio.get_running_loop()
    desk = _Desk(tally, came)
    for _ in range(lines):
        await loop.create_connection(lambda: _Line(desk), "127.0.0.1", port)
    desk.open(window)
    behind_ms = array("d")
    async for at in arrivals(rate, window.before_s + window.seconds):
        behind_ms.append((time.perf_counter() - at) * 1_000)
        came.due += at >= desk.since
        desk.ask(next(requests), at)
    with suppress(TimeoutError):
        async with asyncio.timeout(END_S):
            await desk.settled()
    values = {
        "offered": came.due / window.seconds,
        "good": came.good / window.seconds,
        "refused": came.refused / window.seconds,
        "failed": 100 * (1 - came.answered / max(came.due, 1)),
        "gone": 100 * came.gone / max(came.due, 1),
        "behind p99": sorted(behind_ms)[int(0.99 * len(behind_ms))],
        **distribution(desk.latencies, "good"),
        **distribution(desk.refusals, "refused"),
    }
    desk.close()
    return values | distribution(desk.latencies, "asked"), tally


class _Desk:
    """Gives what is due to whichever connection is free."""

    def __init__(self, tally: Tally, came: Came) -> None:
        self.all: list[_Line] = []
        self.free: deque[_Line] = deque()
        self._tally, self._came = tally, came
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._settled = asyncio.Event()

    def open(self, window: Window) -> None:
        """From now on; to connect takes its time too."""
        self.since = time.perf_counter() + window.before_s
        self._end = self.since + window.seconds
        self.latencies, self.refusals = Latencies(self.since), Latencies(self.since)

    def ask(self, request: bytes, at: float) -> None:
        if self.free:
            self.free.popleft().send(request, at)
        else:
            self._waiting.append((request, at))

    def answered(self, line: "_Line", answer: bytes, at: float) -> None:
        now = time.perf_counter()
        counts = self.since <= now <= self._end
        head = answer[:MAX_WORDS].lower()
        if answer.startswith(b"HTTP/1.1 2"):
            self.latencies.record(at)
            self._tally.done += 1
            self._came.good += counts
            self._came.answered += at >= self.since
        elif answer.startswith(REFUSED) and RETRY in head:
            self.refusals.record(at)
            self._came.refused += counts
        else:
            self._tally.failed(ConnectionError(answer[:MAX_WORDS].decode(errors="replace")))
        while self._waiting:
            request, since = self._waiting.popleft()
            if now - since < PATIENCE_S:
                line.send(request, since)
                return
            self.latencies.record(since)
            self._came.gone += since >= self.since
        self.free.append(line)
        if len(self.free) == len(self.all):
            self._settled.set()

    def lost(self, line: "_Line") -> None:
        self.all.remove(line)
        if line in self.free:
            self.free.remove(line)
        self._tally.failed(ConnectionError("closed"))
        if len(self.free) == len(self.all):
            self._settled.set()

    async def settled(self) -> None:
        """Every answer has come."""
        if len(self.free) < len(self.all):
            self._settled.clear()
            await self._settled.wait()

    def close(self) -> None:
        """Those who still wait have waited until now."""
        late = [line.at for line in self.all if line not in self.free]
        for at in [*late, *(at for _, at in self._waiting)]:
            self.latencies.record(at)
        for line in self.all:
            line.close()


class _Line(asyncio.Protocol):
    def __init__(self, desk: _Desk) -> None:
        self._desk, self._received, self.at, self._closing = desk, b"", 0.0, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("Any", transport)
        self._desk.all.append(self)
        self._desk.free.append(self)

    def send(self, request: bytes, at: float) -> None:
        self.at = at
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        head, _, body = self._received.partition(HEAD_END)
        length = LENGTH.search(head)
        if length is None or len(body) < int(length[1]):
            return
        answer, self._received = self._received, b""
        self._desk.answered(self, answer, self.at)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, asyncio's
        if not self._closing:
            self._desk.lost(self)

    def close(self) -> None:
        self._closing = True
        self._transport.close()
