"""Requests over connections that are kept: each sends its next one when it is answered.

As little of a client as there can be: it must never be what is measured.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from bench.load.loops import Latencies, Tally, Window

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
MAX_WORDS = 300  # bytes of an answer that is an error
END_S = 5.0  # for the answers that are awaited when the window closes


class Measured(msgspec.Struct, frozen=True):
    """`values`: `per_s`, `p50` and `p99` in milliseconds. `answers`: with those of the warm-up."""

    values: dict[str, float]
    answers: int
    errors: int
    error: str


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if body:
        headers = {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def asked(port: int, callers: Sequence[Iterator[bytes]], window: Window) -> Measured:
    """A connection for each caller, who sends requests for as long as the window is open."""
    tally, latencies = Tally(), Latencies(time.perf_counter() + window.before_s)
    loop = asyncio.get_running_loop()
    calling = [
        cast(
            "tuple[Any, _Caller]",
            await loop.create_connection(_caller(requests, tally, latencies), "127.0.0.1", port),
        )[1]
        for requests in callers
    ]
    await asyncio.sleep(window.before_s)
    start, before = time.perf_counter(), tally.done
    await asyncio.sleep(window.seconds)
    took, done = time.perf_counter() - start, tally.done - before
    tally.over = True
    _, late = await asyncio.wait([one.ended for one in calling], timeout=END_S)
    for one in calling:
        one.close()
    if late:
        tally.failed(TimeoutError(f"{len(late)} requests were not answered"))
    percentiles = {name.strip(): value for name, value in latencies.values("").items()}
    values = {"per_s": done / took, **percentiles}
    return Measured(values, tally.done, tally.errors, tally.error)


def _caller(
    requests: Iterator[bytes], tally: Tally, latencies: Latencies
) -> Callable[[], "_Caller"]:
    return lambda: _Caller(requests, tally, latencies)


class _Caller(asyncio.Protocol):
    """One connection. An answer that is none ends it: what it would send next is not known."""

    def __init__(self, requests: Iterator[bytes], tally: Tally, latencies: Latencies) -> None:
        self._requests, self._tally, self._latencies = requests, tally, latencies
        self._received = b""
        self._sent = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        head, _, body = self._received.partition(HEAD_END)
        length = LENGTH.search(head)
        if length is None or len(body) < int(length[1]):
            return
        self._latencies.record(self._sent)
        if head.startswith(b"HTTP/1.1 20"):
            self._tally.done += 1
        else:
            text = self._received[:MAX_WORDS].decode(errors="replace")
            self._tally.failed(ConnectionError(text))
        self._received = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self._tally.failed(exc or ConnectionError("closed"))
            self.ended.set_result(None)

    def close(self) -> None:
        self._transport.close()

    def _send(self) -> None:
        if self._tally.over:
            if not self.ended.done():
                self.ended.set_result(None)
            return
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))
