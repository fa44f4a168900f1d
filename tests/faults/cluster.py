"""A Postgres of a test's own that can be crashed: everything of it killed at one moment."""

import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil

from infra.embedded import prepare_postgres
from infra.folder import hold_folder
from infra.settings import Settings
from infra.supervisor import Child
from migrations.runner import migrate


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
async def own_cluster(folder: Path) -> AsyncGenerator[Cluster]:
    """A new one in `folder`, durable, migrated and empty."""
    with hold_folder(folder) as held:
        server = prepare_postgres(held)
        child = Child(server.spec)
        try:
            await child.launch()
            migrate(server.url)
            yield Cluster(child, server.url)
        finally:
            await child.stop()
