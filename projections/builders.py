"""Looks after the builds: a process for each, progress for operators, old generations dropped."""

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import msgspec
import psycopg
import structlog
from psycopg.errors import LockNotAvailable

from domain.rooms import OPS
from infra.db import Connection
from infra.processes import ProcessSpec, signal_group, spawn
from infra.runtime import Runtime
from infra.settings import child_environment
from projections import generations
from projections.analytics_views import refresh_views
from projections.building import slices_at
from projections.generations import BUILDING, READY, Generation
from projections.step import AnyProjection
from projections.telling import tell

TURN_S = 1.0
SETTLE_S = 2.0  # what is short, a leader builds by itself when it starts
KEEP_S = 86_400.0  # how long there is a way back to what served before

log = structlog.get_logger()


class Progress(msgspec.Struct, frozen=True):
    """A build, in positions of the log; `per_s` and `left_s` once there is something to go by."""

    projection: str
    generation: str
    state: str
    position: int
    target: int
    per_s: float = 0.0
    left_s: float | None = None


def progress(one: Generation, seconds: float) -> Progress:
    """How far a build is that has run for so many seconds."""
    per_s = (one.position - one.began) / seconds if seconds > 0 else 0.0
    left = (one.target - one.position) / per_s if per_s else None
    return Progress(
        one.projection,
        one.schema,
        one.state,
        one.position,
        one.target,
        round(per_s, 1),
        None if left is None else round(max(left, 0.0), 1),
    )


class Builders:
    """The builds of the versions that this code knows, each slice in a process of its own."""

    def __init__(self, runtime: Runtime, projections: Sequence[AnyProjection]) -> None:
        self._runtime = runtime
        self._projections = {one.name: one for one in projections}
        self._running: dict[tuple[str, int], Process] = {}

    async def run(self) -> NoReturn:
        """Until cancelled; a build that was cut goes on when somebody looks after it again."""
        try:
            await self._begin()
            while True:
                try:
                    async with self._runtime.db.connection() as connection:
                        await self._turn(connection)
                except (psycopg.Error, TimeoutError) as error:
                    log.warning("builds_not_looked_after", error=str(error).strip())
                await asyncio.sleep(TURN_S)
        finally:
            await self._end(list(self._running))

    async def _begin(self) -> None:
        """A version that is new here is built even while older code leads the group."""
        async with self._runtime.db.connection() as connection:
            await generations.begin_missing(
                connection,
                list(self._projections.values()),
                renew=self._runtime.settings.rebuild_on_deploy,
            )

    async def _turn(self, connection: Connection) -> None:
        found = await generations.generations(connection, self._projections)
        now = self._runtime.now()
        mine = [
            one
            for one in found
            if one.state in (BUILDING, READY)
            and one.version == self._projections[one.projection].version
            and now - one.asked_at > timedelta(seconds=SETTLE_S)
        ]
        wanted = [one for one in mine if generations.wanted(found, one.projection) == one]
        for one in wanted:
            await self._tend(connection, one)
        await self._end([key for key in self._running if key[0] not in {w.schema for w in wanted}])
        builds = [progress(one, (now - one.asked_at).total_seconds()) for one in wanted]
        await tell(self._runtime, OPS, "projection.building", *builds)
        await self._drop_old(connection)

    async def _drop_old(self, connection: Connection) -> None:
        """What somebody reads, or an analyst's view still shows, is dropped another time."""
        old = await generations.old(connection, KEEP_S)
        if not old or not await refresh_views(connection):
            return
        for schema in old:
            with suppress(LockNotAvailable):
                async with generations.alone(connection):  # nobody asks for it meanwhile
                    still = schema in await generations.old(connection, KEEP_S)
                    if still and await generations.drop(connection, schema):
                        log.info("generation_dropped", schema=schema)

    async def _tend(self, connection: Connection, one: Generation) -> None:
        """Start the processes that are missing: one a slice, then one that makes it whole."""
        behind = {n: at for n, at in (await slices_at(connection, one.schema)) if at < one.target}
        parts = [(n, one.slices) for n in behind] if one.slices > 1 else []
        for number, of in parts or [(0, 1)]:
            key = (one.schema, number)
            process = self._running.get(key)
            if process is None or process.returncode is not None:
                self._running[key] = await spawn(self._spec(one, number, of))

    def _spec(self, one: Generation, number: int, of: int) -> ProcessSpec:
        module = ("-m", "projections.building", one.schema)
        return ProcessSpec(
            name=f"build {one.schema}",
            argv=(sys.executable, *module, "--slice", str(number), "--of", str(of)),
            env=child_environment(self._runtime.settings),
            cwd=Path.cwd(),
        )

    async def _end(self, keys: Sequence[tuple[str, int]]) -> None:
        for key in keys:
            process = self._running.pop(key)
            if process.returncode is None:
                signal_group(process.pid, signal.SIGTERM)
                await process.wait()
