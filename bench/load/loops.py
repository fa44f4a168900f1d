"""Load: closed loops where throughput is measured, open ones where latency is."""

# hdrh has no types:
# pyright: reportUnknownMemberType=false

import asyncio
import ctypes
import os
import struct
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from math import ceil

import msgspec
from hdrh.histogram import HdrHistogram

from bench.child import Sample

LONGEST_US = 60_000_000  # latencies above a minute count as one
TIMER_ABSOLUTE = 1  # TFD_TIMER_ABSTIME: due times do not drift


class Window(msgspec.Struct, frozen=True):
    """How long a load is measured, and before that, how long it warms up."""

    seconds: float
    before_s: float = 0.5


class Tally(msgspec.Struct):
    """What a load has done so far."""

    done: int = 0
    errors: int = 0
    error: str = ""
    over: bool = False

    def failed(self, error: Exception) -> None:
        self.errors += 1
        self.error = self.error or f"{type(error).__name__}: {error}".strip()

    def sample(self, values: dict[str, float]) -> Sample:
        return Sample(values, self.errors, self.error)


class Latencies:
    """Times since things were due, as an HDR histogram; before `since` is warming up."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._histogram = HdrHistogram(1, LONGEST_US, 3)

    def record(self, due: float) -> None:
        self.record_span(due, time.perf_counter())

    def record_span(self, start: float, end: float) -> None:
        if start >= self._since:
            late_us = round((end - start) * 1e6)
            self._histogram.record_value(min(max(late_us, 1), LONGEST_US))

    def percentile_ms(self, percent: float) -> float:
        return self._histogram.get_value_at_percentile(percent) / 1_000

    def values(self, of: str) -> dict[str, float]:
        """Milliseconds, by names such as `append p99`; none where nothing was recorded."""
        if not self._histogram.get_total_count():
            return {}
        return {f"{of} p{percent}": self.percentile_ms(percent) for percent in (50, 99)}


async def closed_loop(
    callers: int, window: Window, operation: Callable[[], Awaitable[None]]
) -> Sample:
    """Each caller asks again as soon as it is answered: how many answers a second."""
    tally = Tally()
    calling = [asyncio.create_task(_call(operation, tally)) for _ in range(callers)]
    await asyncio.sleep(window.before_s)
    start, before = time.perf_counter(), tally.done
    await asyncio.sleep(window.seconds)
    took, done = time.perf_counter() - start, tally.done - before
    tally.over = True
    await asyncio.gather(*calling)
    return tally.sample({"per_s": done / took})


async def _call(operation: Callable[[], Awaitable[None]], tally: Tally) -> None:
    while not tally.over:
        try:
            await operation()
        except Exception as error:  # noqa: BLE001, errors are part of what is measured
            tally.failed(error)
            await asyncio.sleep(0)  # one that fails at once must not keep the others from running
        else:
            tally.done += 1


async def open_loop(
    rate: int, window: Window, operation: Callable[[float], Awaitable[None]]
) -> Tally:
    """Start an operation whenever one is due, however slow the earlier ones are.

    The operation is given the time (of perf_counter) it was due at and measures from there, so
    that a stall counts for all who would have come meanwhile.
    """
    tally = Tally()
    async with asyncio.TaskGroup() as calls:
        async for due in arrivals(rate, window.before_s + window.seconds):
            calls.create_task(_once(operation(due), tally))
    return tally


async def _once(operation: Awaitable[None], tally: Tally) -> None:
    try:
        await operation
    except Exception as error:  # noqa: BLE001, as above
        tally.failed(error)
    else:
        tally.done += 1


async def arrivals(rate: int, seconds: float) -> AsyncGenerator[float]:
    """When each arrival is due, as it becomes due.

    By a timer of the kernel: the loop's own timers round up to a millisecond, as much as an append
    takes.
    """
    loop, expired = asyncio.get_running_loop(), asyncio.Event()
    start, due, most = time.perf_counter(), 0, ceil(rate * seconds)
    ticking = timer(start + 1 / rate, 1 / rate)
    loop.add_reader(ticking, expired.set)
    try:
        while due < most:
            await expired.wait()
            expired.clear()
            passed = due + int.from_bytes(os.read(ticking, 8), "little")
            while due < min(passed, most):  # after a stall the timer is ahead of the end
                due += 1
                yield start + due / rate
    finally:
        loop.remove_reader(ticking)
        os.close(ticking)


def timer(first: float, interval: float) -> int:
    """A descriptor that is readable from `first` on and then every `interval` seconds."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_CLOEXEC)
    times = struct.pack(
        "@4l", *divmod(round(interval * 1e9), 10**9), *divmod(round(first * 1e9), 10**9)
    )
    if descriptor < 0 or libc.timerfd_settime(descriptor, TIMER_ABSOLUTE, times, None):
        raise OSError(ctypes.get_errno(), "timerfd")
    return descriptor
