"""What a load and those it measures cost."""

import time
from collections.abc import Mapping

import psutil

PROCESS_CLOCK = 2


class Spent:
    """CPU seconds since this was made."""

    def __init__(self, processes: Mapping[str, psutil.Process]) -> None:
        self._processes = {"client": psutil.Process(), **processes}
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        return {name: _cpu_seconds(process.pid) for name, process in self._processes.items()}

    def seconds(self) -> dict[str, float]:
        return {name: after - self._before[name] for name, after in self._now().items()}

    def percent(self, seconds: float) -> dict[str, float]:
        """Of a core, by process: `<name> cpu`."""
        return {
            f"{name} cpu": round(100 * spent / seconds, 1) for name, spent in self.seconds().items()
        }


def _cpu_seconds(pid: int) -> float:
    """By the process's own clock (clock_getcpuclockid(3) on Linux): /proc counts in 10 ms."""
    return time.clock_gettime((~pid << 3) | PROCESS_CLOCK)
