"""Servers of a test's own: a Postgres that can be crashed, a Valkey that can be away."""

import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import psutil
from redis.asyncio import Redis

from infra.embedded import prepare_postgres, prepare_valkey
from infra.folder import hold_folder
from infra.settings import Settings
from infra.supervisor import Child
from migrations.runner import migrate
from tests.faults.clocks import Clock


class Cluster:
    """Started anew by hand: a supervisor waits longer after every crash."""

    def __init__(self, child: Child, url: str) -> None:
        self.settings = settings_of(url)
        self._child = child

    async def crash_and_restart(self) -> None:
        """As after a loss of power, but for what the kernel holds; returns once it answers."""
        postmaster = psutil.Process(self._child.report().pid)
        postmaster.suspend()  # so that it starts no more, and nobody sees another die
        backends = postmaster.children(recursive=True)
        for process in (*backends, postmaster):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        assert backends
        await self._child.kill()
        await self._child.launch()


def settings_of(url: str) -> Settings:
    return Settings(database_url=url, redis_url="redis://127.0.0.1:1")  # nobody is asked there


@asynccontextmanager
async def own_cluster(folder: Path, clock: Clock | None = None) -> AsyncGenerator[Cluster]:
    """A new one in `folder`, durable, migrated and empty; its time of day is `clock`'s."""
    with hold_folder(folder) as held:
        server = prepare_postgres(held)
        env = {**server.spec.env, **(clock.environment if clock else {})}
        child = Child(msgspec.structs.replace(server.spec, env=env))
        try:
            await child.launch()
            migrate(server.url)
            yield Cluster(child, server.url)
        finally:
            await child.stop()


class Cache:
    """What Redis is to projectors and gateways: nothing that is in it has to stay."""

    def __init__(self, child: Child, url: str) -> None:
        self.url = url
        self._child = child

    async def empty(self) -> None:
        async with Redis.from_url(self.url) as redis:  # pyright: ignore[reportUnknownMemberType]
            await redis.flushall()  # pyright: ignore[reportUnknownMemberType]  # untyped options

    @asynccontextmanager
    async def away(self) -> AsyncGenerator[None]:
        """Killed at once; on leaving it answers again, empty of what was not yet on the disk."""
        await self._child.kill()
        yield
        await self._child.launch()


@asynccontextmanager
async def own_cache(folder: Path) -> AsyncGenerator[Cache]:
    """A new Valkey in `folder`."""
    with hold_folder(folder) as held:
        server = prepare_valkey(held)
        child = Child(server.spec)
        try:
            await child.launch()
            yield Cache(child, server.url)
        finally:
            await child.stop()
