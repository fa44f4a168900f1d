"""The projector: one loop a group; rows and checkpoint in one transaction, then the pushes.

A group has one leader (a session's advisory lock); others wait for it. What a deposed leader
still tries to write fails on its checkpoint.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing

import msgspec
import psycopg
import structlog

from domain.kernel import Event, Recorded
from infra.bus import Entry, Publisher, traced
from infra.db import Connection, leading
from infra.eventstore.reader import HEAD
from infra.pipelined import Pipelined
from infra.runtime import Runtime
from infra.tracing import Trace, of_events, share
from projections import building, generations
from projections.ahead import Batch, batches
from projections.apply import Statement, calling, packed
from projections.generations import BUILDING, READY, SERVING, SWITCHING, Generation
from projections.parking import Letters, asked
from projections.recent import Recent
from projections.step import AnyProjection, Deposed, Prepared, Step
from projections.stopped import go_on, stop

BATCH = 2_000  # events of one transaction
SHORT = 20_000  # positions: a log that is built from at once, before the group goes on
LOOK_S = 0.5  # between looks at generations to switch to, and at what operators ask for
SILENT_S = 5.0  # a leader that has not looked for so long hangs, and its standby takes over
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # back-off on infrastructure errors
# Read tables are made again from the log: after a crash rows and checkpoint go back together.
NO_FSYNC = "-c synchronous_commit=off"
PUBLISH_TIMEOUT_S = 0.25  # Redis away must not hold up the log; gateways mend from room_log

ADVANCE = calling("formula_advance", "text", "bigint", "bigint")
GATHER_S = {"queries": 0.004, "audit": 0.02, "analytics": 0.05}  # they compete for the CPU

log = structlog.get_logger()


class Superseded(Exception):
    """Another version of a projection serves, or is ready to: its code is to lead the group."""


class Group(msgspec.Struct, frozen=True):
    """Projections that share a checkpoint and a transaction."""

    name: str
    projections: tuple[AnyProjection, ...]

    @property
    def motion(self) -> bool:
        return any(projection.motion for projection in self.projections)

    @property
    def pushes(self) -> bool:
        return self.name == "live"

    @property
    def gather_s(self) -> float:
        """How long a batch gathers before it is read: the rooms come first, the audit last."""
        return GATHER_S.get(self.name, 0.0)


async def run_groups(
    runtime: Runtime, groups: Sequence[Group], note: Callable[[str, bool], None]
) -> None:
    """Keep the groups projected, for ever; `note(name, leads)` hears who leads.

    Raises UnknownTag, in an exception group: the process must then stop.
    """
    recent = shared(runtime, groups)
    async with asyncio.TaskGroup() as tasks:
        for group in groups:
            tasks.create_task(_run(runtime, group, recent, note), name=group.name)


async def _run(
    runtime: Runtime, group: Group, recent: Recent, note: Callable[[str, bool], None]
) -> None:
    failures, conninfo = 0, runtime.settings.database_url
    while True:
        note(group.name, False)
        try:
            lease = leading(conninfo, f"projector {group.name}", NO_FSYNC, silent_s=SILENT_S)
            async with lease as connection:
                leader = Leader(runtime, connection, group, recent)
                await leader.start()
                note(group.name, True)
                failures = 0
                await leader.run()
        except (psycopg.OperationalError, Deposed, Superseded) as error:
            log.warning("projector_stepped_down", group=group.name, error=str(error).strip())
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1


class Leader:
    """Projects a group for as long as its session holds the lease."""

    def __init__(
        self, runtime: Runtime, connection: Connection, group: Group, recent: Recent
    ) -> None:
        self._runtime = runtime
        self._recent = recent
        self._connection = connection
        self._group = group
        self._pipelined = Pipelined(connection)
        self._position = 0
        self._publisher = Publisher(runtime.bus, runtime.settings.redis_prefix)
        self._publishing: asyncio.Task[None] | None = None
        self._looked = 0.0
        self._seen = 0  # how often the log had grown when it was read
        self._traces: dict[int, Trace] = {}  # of the batch's events, by their positions
        self._step = self._stepping({})

    async def start(self) -> None:
        """Find the checkpoint and the generations; build at once what is missing and short."""
        name = self._group.name
        self._recent.forget()
        await self._connection.execute(
            "INSERT INTO formula_checkpoints (name) VALUES (%s) ON CONFLICT DO NOTHING", (name,)
        )
        self._position = await building.checkpoint(self._connection, name)
        missing = await generations.begin_missing(
            self._connection,
            self._group.projections,
            renew=self._runtime.settings.rebuild_on_deploy,
        )
        for projection, schema in missing if self._position <= SHORT else ():
            await building.fill(self._runtime, self._connection, projection, schema, self._position)
        await self._attach()
        await self._look()

    async def run(self) -> None:
        """Project what is there, then what comes."""
        coming = batches(self._read, self._prepare, self._position, BATCH, self._more)
        try:
            async with aclosing(coming):
                async for batch in coming:
                    if time.monotonic() - self._looked > LOOK_S:
                        await self._look()
                    if batch.events:
                        await self._advance(batch)
        finally:
            await self._published()
            await self._publisher.close()

    async def _advance(self, batch: Batch) -> None:
        to, started = batch.events[-1].position, time.time_ns()
        self._traces = of_events(batch.events)
        await self._step.advance(self._position, batch.events, to, batch.prepared)
        self._position = to
        did = {"events": len(batch.events)}
        share(f"project {self._group.name}", self._traces.values(), started, did)

    async def _more(self) -> None:
        """Wait at the log's end, while what was read is on its way to Postgres."""
        await self._runtime.store.follower.wait(self._seen, LOOK_S)
        await asyncio.sleep(self._group.gather_s)

    async def _read(self, after: int) -> Sequence[Recorded[Event]]:
        self._seen = self._runtime.store.follower.count
        return await self._recent.read(after, BATCH, motion=self._group.motion)

    def _prepare(self, batch: Sequence[Recorded[Event]]) -> Prepared | None:
        """By the step of the moment: a switch while a batch waits makes another."""
        return self._step.prepare(batch)

    async def _look(self) -> None:
        """Switch to generations that are ready, give way to other code, do what is asked for."""
        self._looked = time.monotonic()
        found = await self._found()
        ready: list[tuple[AnyProjection, Generation]] = []
        for projection in self._group.projections:
            one = generations.wanted(found, projection.name)
            if one is None or one.state == BUILDING:
                continue
            if one.version != projection.version:
                raise Superseded(f"version {one.version} of {projection.name} is {one.state}")
            if one.state in (READY, SWITCHING):
                ready.append((projection, one))
        for projection, one in ready:
            await self._switch(projection, one)
        if ready:
            await self._attach()
        if self._step.letters.any:
            for letter in await asked(self._connection, self._step.letters):
                await self._step.mend(self._runtime.store, self._position, letter)

    async def _switch(self, projection: AnyProjection, one: Generation) -> None:
        """Bring a generation to the group's checkpoint, which rests meanwhile, and let it serve."""
        await generations.mark(self._connection, one.schema, SWITCHING, READY, SWITCHING)
        await building.catch_up(
            self._runtime, self._connection, projection, one.schema, self._position, mine=True
        )
        await generations.switch(self._connection, one, self._position)
        log.info("generation_serving", projection=projection.name, schema=one.schema)

    async def _attach(self) -> None:
        """Project into the generations that serve, of those that this code knows how to fill."""
        known = {one.name: one for one in self._group.projections}
        schemas: dict[str, str] = {}
        for one in [one for one in await self._found() if one.state == SERVING]:
            projection = known[one.projection]
            if one.version != projection.version:
                await stop(self._connection, one.projection, self._position)
                continue
            if one.stopped:
                await self._make_good(projection, one)
            schemas[one.projection] = one.schema
        await generations.use(self._connection, list(schemas.values()))
        self._step = self._stepping(schemas)
        await self._step.letters.load(self._connection)

    async def _make_good(self, projection: AnyProjection, one: Generation) -> None:
        """Other code led meanwhile: project what that left out, while the group rests."""
        await building.catch_up(
            self._runtime, self._connection, projection, one.schema, self._position, mine=True
        )
        await go_on(self._connection, one.schema)
        log.info("generation_filled_again", projection=projection.name, since=one.position)

    def _stepping(self, schemas: dict[str, str]) -> Step:
        return Step(
            connection=self._connection,
            projections=[one for one in self._group.projections if one.name in schemas],
            letters=Letters(schemas),
            pipelined=self._pipelined,
            move=self._move,
            publish=self._publish,
            parks=not self._group.pushes,
        )

    async def _found(self) -> list[Generation]:
        names = [one.name for one in self._group.projections]
        return await generations.generations(self._connection, names)

    def _move(self, position: int, to: int) -> Statement:
        name = packed("text", self._group.name)
        return Statement(ADVANCE, (name, packed("bigint", position), packed("bigint", to)))

    async def _publish(self, entries: dict[str, list[Entry]]) -> None:
        """The next batch is not kept waiting: one batch's messages at most are on their way."""
        if entries and self._group.pushes:
            if self._traces:
                entries = traced(entries, self._traces)
            await self._published()
            self._publishing = asyncio.create_task(self._send(entries))

    async def _published(self) -> None:
        if self._publishing is not None:
            await self._publishing

    async def _send(self, entries: dict[str, list[Entry]]) -> None:
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                await self._publisher.publish(entries)
        except Exception as error:  # noqa: BLE001, see PUBLISH_TIMEOUT_S
            log.warning("publish_failed", rooms=len(entries), error=repr(error))


def shared(runtime: Runtime, groups: Sequence[Group]) -> Recent:
    """The log as these groups read it together."""
    motion = any(group.motion for group in groups)
    return Recent(runtime.store, runtime.store.follower, motion=motion)


def grouped(projections: Sequence[AnyProjection]) -> list[Group]:
    """The projections by group, in the order of their registration."""
    names = dict.fromkeys(projection.group for projection in projections)
    return [Group(name, tuple(one for one in projections if one.group == name)) for name in names]


async def lag(runtime: Runtime) -> dict[str, int]:
    """Positions between the log's head and each consumer's checkpoint."""
    async with runtime.db.connection() as connection:
        cursor = await connection.execute(
            "SELECT name, position FROM formula_checkpoints ORDER BY name LIMIT 100"
        )
        rows: list[tuple[str, int]] = await cursor.fetchall()
        head = await (await connection.execute(HEAD)).fetchone()
    newest = int(head[0]) if head else 0
    return {name: max(newest - position, 0) for name, position in rows}
