"""How late the event loop is, and how long the garbage collector stops it."""

import asyncio
import gc
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from infra.metrics import SECONDS, Gauge, Histogram, Metric, Metrics

EVERY_S = 0.2  # a timer that is late shows what else has to wait


class Lag:
    """Of the loop that runs."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._spread = Histogram(
            "formula_loop_lag_seconds", f"how late a timer is, every {EVERY_S} s", SECONDS
        )
        self.worst = 0.0  # since the last sample, which sets it back
        self._timer = self._set()

    def stop(self) -> None:
        self._timer.cancel()

    def metrics(self) -> list[Metric]:
        about = "the latest that a timer was since the last sample"
        return [self._spread, Gauge("formula_loop_lag_max_seconds", about, lambda: self.worst)]

    def _set(self) -> asyncio.TimerHandle:
        return self._loop.call_later(EVERY_S, self._rings, self._loop.time() + EVERY_S)

    def _rings(self, due: float) -> None:
        late = max(self._loop.time() - due, 0.0)
        self._spread.observe(late)
        self.worst = max(self.worst, late)
        self._timer = self._set()


class Pauses:
    """Of the garbage collector: hears of each look for cycles."""

    def __init__(self) -> None:
        self.spread = Histogram("formula_gc_seconds", "a look for cycles, of any age", SECONDS)
        self._began = 0.0

    def __call__(self, phase: str, _info: dict[str, Any]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.spread.observe(time.perf_counter() - self._began)


@contextmanager
def watching(metrics: Metrics) -> Generator[Lag]:
    lag, pauses = Lag(), Pauses()
    gc.callbacks.append(pauses)
    metrics.add(*lag.metrics(), pauses.spread)
    try:
        yield lag
    finally:
        gc.callbacks.remove(pauses)
        lag.stop()
