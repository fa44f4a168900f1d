"""What a load and those it measures cost."""

import time
from collections.abc import Mapping
from contextlib import suppress

import psutil
import psycopg

from infra.settings import Settings

PROCESS_CLOCK = 2


def postgres(settings: Settings) -> psutil.Process:
    """Its first process, whose children serve connections: it is on this machine."""
    with psycopg.connect(settings.database_url) as connection:
        serves = psutil.Process(connection.info.backend_pid)
        return serves.parent() or serves  # asked while it is there


class Spent:
    """CPU seconds since this was made, of processes with all their children, but the client."""

    def __init__(self, processes: Mapping[str, psutil.Process]) -> None:
        self._processes = processes
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        mine = {"client": _cpu_seconds(psutil.Process().pid)}
        return mine | {name: _with_children(one) for name, one in self._processes.items()}

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


def _with_children(process: psutil.Process) -> float:
    """Those that have ended are in their parent's time."""
    ended = process.cpu_times()
    seconds = _cpu_seconds(process.pid) + ended.children_user + ended.children_system
    for child in process.children():
        with suppress(OSError):
            seconds += _cpu_seconds(child.pid)
    return seconds
