"""A scheduler that kills itself at a tick: `python -m tests.faults.ticking FILE PLACE`.

It leads and stands by as in production, with a schedule of its own.
"""

import asyncio
import os
import signal
import sys
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.job_args import Ping
from infra.db import Connection
from infra.process import run
from infra.runtime import Runtime
from infra.settings import load_settings
from workers import main, scheduler, schedules
from workers.schedules import Schedule, Schedules

EVERY_S = 1
OFTEN = Schedule("often", lambda _at: Ping(), every_s=EVERY_S, missed="all")
PLACES = ("asking", "appending", "asked", "noted")
SOON_S = 0.002  # about as long as an append takes


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(place: str) -> None:
    """Before the tick is asked for, while it is appended, before or after it is noted as seen."""
    ask, note = schedules.ask, schedules._note_seen  # pyright: ignore[reportPrivateUsage]

    async def asking(runtime: Runtime, schedule: Schedule, at: datetime, space: UUID) -> UUID:
        if place == "asking":
            die()
        if place == "appending":
            asyncio.get_running_loop().call_later(SOON_S, die)
        job = await ask(runtime, schedule, at, space)
        if place == "asked":
            die()
        return job

    async def noting(db: Connection, name: str, at: datetime) -> None:
        await note(db, name, at)
        die()

    schedules.ask = asking
    if place == "noted":
        schedules._note_seen = noting  # pyright: ignore[reportPrivateUsage]


def often(runtime: Runtime) -> Schedules:
    return Schedules(runtime, (OFTEN,))


if __name__ == "__main__":
    scheduling: Any = scheduler
    scheduling.Schedules = often
    arm(sys.argv[2])
    sys.exit(run(load_settings(), main.run_scheduler))
