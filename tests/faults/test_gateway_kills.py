"""A crowd behind a balancer while every process is killed in turn: each client sees everything."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from api.realtime import protocol as p
from domain.project import ProjectRole
from infra.folder import free_port
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from projections.read import reading
from tests.balancer import balancer
from tests.faults.children import ROOT, times
from tests.faults.cluster import Cache, Cluster, own_cache, own_cluster
from tests.faults.crowd import Plan, Report
from tests.faults.projecting import projector
from tests.faults.results import Counts
from tests.integration.sockets import Served
from workers.scheduler import schedule

pytestmark = [
    pytest.mark.services,
    pytest.mark.faults,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("formula up"),  # one at a time: they need the machine for themselves
]

CLIENTS, PEOPLE, ACTORS = times(1_000), 20, 4
ROUNDS = times(10)
BETWEEN = 20  # acts acknowledged between two faults
LIMIT_S = 120.0
LEASE_S = 45.0  # a node's, the reaper's own after the crash, and what a slow machine needs
DATABASE_CONNECTIONS = 10  # of each process

IN_ROOM = "SELECT count(*) FROM members WHERE room = %s"


class Crowd:
    """A running tests.faults.crowd."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.acted = 0

    async def line(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            line = (await self._process.stdout.readline()).decode().strip()
        assert line, "the crowd has ended"
        return line

    async def joined(self) -> None:
        assert await self.line() == "joined"

    async def more(self, count: int = BETWEEN) -> None:
        """Return once so many more acts were acknowledged."""
        wanted = self.acted + count
        while self.acted < wanted:
            self.acted = int((await self.line()).split()[1])

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"stop\n")
        await self._process.stdin.drain()

    async def report(self) -> Report:
        while not (line := await self.line()).startswith("report "):
            pass
        return msgspec.json.decode(line.partition(" ")[2], type=Report)


@asynccontextmanager
async def crowd(plan: Plan, folder: Path) -> AsyncGenerator[Crowd]:
    written = folder / "plan.json"
    written.write_bytes(msgspec.json.encode(plan))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.crowd", str(written), str(CLIENTS)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        limit=1 << 20,
    )
    try:
        yield Crowd(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Roles:
    """The processes of a deployment, each of which can be killed and started anew."""

    def __init__(self, stack: AsyncExitStack, settings: Settings, folder: Path) -> None:
        self._stack, self._settings, self._folder = stack, settings, folder
        self.running: dict[str, tuple[Process, str, Settings]] = {}

    async def start(self, name: str, module: str, **changed: int) -> None:
        settings = msgspec.structs.replace(self._settings, **changed)
        process = await self._stack.enter_async_context(
            projector(settings, self._folder / f"{name}.log", module)
        )
        self.running[name] = (process, module, settings)

    async def kill(self, name: str) -> None:
        process, module, settings = self.running[name]
        process.kill()
        await process.wait()
        await self.start(name, module, port=settings.port)


async def test_nobody_misses_anything_whoever_is_killed(
    folder: Path, settings: Settings, tmp_path: Path, counts: Counts
) -> None:
    base = folder.parent
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(own_cluster(base / "postgres"))
        cache = await stack.enter_async_context(own_cache(base / "valkey"))
        mine = msgspec.structs.replace(
            settings,
            database_url=cluster.settings.database_url,
            redis_url=cache.url,
            database_pool_size=DATABASE_CONNECTIONS,
        )
        roles = Roles(stack, mine, tmp_path)
        ports = [free_port(), free_port()]
        await roles.start("projector", "projections.main")
        for number, port in enumerate(ports):
            await roles.start(f"api{number}", "api.main", port=port)
        url = await stack.enter_async_context(balancer(ports))
        runtime = await stack.enter_async_context(open_runtime(mine))
        await stack.enter_async_context(scheduling(runtime))
        plan = await planned(runtime, url)
        crowded = await stack.enter_async_context(crowd(plan, tmp_path))
        await crowded.joined()
        for _ in range(ROUNDS):
            await faults(crowded, roles, cluster, cache)
        await everybody_is_there_once(runtime, plan.room)
        await crowded.stop()
        report = await crowded.report()
    assert report.wrong == []
    assert report.resumed > 0
    assert report.acknowledged >= ROUNDS * 5 * BETWEEN
    counts.add(ROUNDS * 5)


async def faults(crowded: Crowd, roles: Roles, cluster: Cluster, cache: Cache) -> None:
    """Each in turn, and work in between."""
    for name in ("api0", "projector", "api1"):
        await crowded.more()
        await roles.kill(name)
    await crowded.more()
    async with cache.away():
        await crowded.more()
    await crowded.more()
    await cluster.crash_and_restart()
    await crowded.more()


@asynccontextmanager
async def scheduling(runtime: Runtime) -> AsyncGenerator[None]:
    """The scheduler, with the reaper, is in this process: nobody kills it."""
    running = asyncio.create_task(schedule(runtime, lambda _leads: None))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def everybody_is_there_once(runtime: Runtime, room: str) -> None:
    """Whoever went down with a node has been declared gone, within the leases."""
    async with asyncio.timeout(LEASE_S):
        while True:
            async with reading(runtime, group="live") as db:
                row = await (await db.execute(IN_ROOM, (room,))).fetchone()
            if row == (CLIENTS,):
                return
            await asyncio.sleep(0.1)


async def planned(runtime: Runtime, url: str) -> Plan:
    here = Served(runtime, url)
    people = [await here.user(f"one{number}") for number in range(PEOPLE)]
    project = await here.project(people[0])
    for person in people[1:]:
        await here.add(project, person, ProjectRole.CONTRIBUTOR)
    return Plan(
        url=url.replace("http", "ws") + p.PATH,
        room=f"project:{project}",
        tokens=[here.token(person, 3_600) for person in people],
        actors=ACTORS,
    )
