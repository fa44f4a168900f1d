"""Every night one read model is held against the log, each in its turn."""

import signal
import sys
from datetime import date
from pathlib import Path

import structlog

from domain.registry import tag_of
from domain.upkeep import Checked, upkeep_stream
from infra.eventstore.types import MAX_READ
from infra.processes import ProcessSpec, signal_group, spawn
from infra.runtime import Runtime
from infra.settings import child_environment
from projections.registry import PROJECTIONS

HOUR = 3  # UTC

log = structlog.get_logger()


def turn_of(day: date) -> str:
    """The read model to check on this day."""
    names = [projection.name for projection in PROJECTIONS if projection.tables]
    return names[day.toordinal() % len(names)]


class NightlyCheck:
    """In a process of its own: timers must not wait for it. What it finds is an event."""

    def __init__(self, runtime: Runtime, hour: int = HOUR) -> None:
        self._runtime = runtime
        self._hour = hour
        self._last: date | None = None

    async def __call__(self, _now: float) -> None:
        now = self._runtime.now()
        if now.hour != self._hour or self._last == now.date():
            return
        self._last = now.date()
        name = turn_of(now.date())
        if await self._was_checked(name, now.date()):  # before this scheduler came
            return
        process = await spawn(
            ProcessSpec(
                name=f"check {name}",
                argv=(sys.executable, "-m", "projections.checking", name),
                env=child_environment(self._runtime.settings),
                cwd=Path.cwd(),
            )
        )
        try:
            if await process.wait():
                log.error("check_failed", projection=name, code=process.returncode)
        finally:
            if process.returncode is None:
                signal_group(process.pid, signal.SIGTERM)

    async def _was_checked(self, name: str, day: date) -> bool:
        found = await self._runtime.store.read(
            0, MAX_READ, streams=[upkeep_stream(name)], types=[tag_of(Checked)]
        )
        return any(one.at.date() == day for one in found)
