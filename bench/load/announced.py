"""Announcements to everybody: from their publishing until each person's notifications are shown."""

import asyncio
import sys
import time
from uuid import UUID

import msgspec
import psutil
import uvloop

from bench.child import Sample, answer, given
from bench.load.cpu import Spent
from bench.load.lag import until_ready
from domain.announcement import ANNOUNCEMENT, PublishAnnouncement
from domain.user import USER, RegisterUser, Role
from infra.runtime import SYSTEM, Runtime, open_runtime
from infra.settings import Settings, child_environment
from projections.read import reading

GROUPS = ("live", "queries")
LOOK_S = 0.1
MB = 2**20


class Announced(msgspec.Struct, frozen=True):
    """As many notifications as people times announcements; one worker and one projector."""

    settings: Settings
    people: int
    announcements: int

    @property
    def notifications(self) -> int:
        return self.people * self.announcements


async def run(load: Announced) -> Sample:
    """`per_s`; `worker s`, `projector s`: of CPU for 10,000 notifications; `worker MB`: at most."""
    env = child_environment(load.settings)
    projecting = (sys.executable, "-m", "projections.main")
    working = (sys.executable, "-m", "workers.main", "worker")
    projector = await asyncio.create_subprocess_exec(*projecting, env=env)
    worker = await asyncio.create_subprocess_exec(*working, env=env)
    try:
        async with open_runtime(load.settings) as runtime:
            await asyncio.gather(*(_register(runtime, n) for n in range(load.people)))
            await until_ready(runtime, GROUPS)
            processes = {"worker": worker.pid, "projector": projector.pid}
            return await _measured(
                runtime, load, {name: psutil.Process(pid) for name, pid in processes.items()}
            )
    finally:
        for process in (worker, projector):
            process.terminate()
            await process.wait()


async def _register(runtime: Runtime, number: int) -> None:
    at, email = runtime.now(), f"{number}@bench.test"
    register = RegisterUser(email=email, name=f"Person {number}", role=Role.MEMBER, at=at)
    await runtime.execute(SYSTEM, USER, runtime.new_id(), register)


async def _measured(
    runtime: Runtime, load: Announced, processes: dict[str, psutil.Process]
) -> Sample:
    await _publish(runtime)  # the worker listens, and all has run once
    await _until_shown(runtime, load.people)
    spent, largest, start = Spent(processes), 0, time.perf_counter()
    await asyncio.gather(*(_publish(runtime) for _ in range(load.announcements)))
    while await _shown(runtime) < load.people + load.notifications:
        largest = max(largest, processes["worker"].memory_info().rss)
        await asyncio.sleep(LOOK_S)
    took = time.perf_counter() - start
    cost = {
        f"{name} s": seconds * 10_000 / load.notifications
        for name, seconds in spent.seconds().items()
    }
    return Sample({"per_s": load.notifications / took, "worker MB": largest / MB, **cost})


async def _publish(runtime: Runtime) -> UUID:
    announcement, at = runtime.new_id(), runtime.now()
    publish = PublishAnnouncement(title="On Friday the lifts rest", body="All day.", at=at)
    await runtime.execute(SYSTEM, ANNOUNCEMENT, announcement, publish)
    return announcement


async def _until_shown(runtime: Runtime, notifications: int) -> None:
    while await _shown(runtime) < notifications:  # noqa: ASYNC110, it is shown by Postgres
        await asyncio.sleep(LOOK_S)


async def _shown(runtime: Runtime) -> int:
    async with reading(runtime) as db:
        row = await (await db.execute("SELECT count(*) FROM notifications")).fetchone()
    return row[0] if row else 0


if __name__ == "__main__":
    answer(uvloop.run(run(given(Announced))))
