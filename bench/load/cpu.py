"""What a load and those it measures cost."""

from collections.abc import Mapping

import psutil


class Spent:
    """CPU seconds since this was made."""

    def __init__(self, processes: Mapping[str, psutil.Process]) -> None:
        self._processes = {"client": psutil.Process(), **processes}
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        times = {name: process.cpu_times() for name, process in self._processes.items()}
        return {name: one.user + one.system for name, one in times.items()}

    def seconds(self) -> dict[str, float]:
        return {name: after - self._before[name] for name, after in self._now().items()}

    def percent(self, seconds: float) -> dict[str, float]:
        """Of a core, by process: `<name> cpu`."""
        return {
            f"{name} cpu": round(100 * spent / seconds, 1) for name, spent in self.seconds().items()
        }
