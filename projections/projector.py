"""The projector: one loop a group; rows and checkpoint in one transaction, then the pushes.

A group has one leader (a session's advisory lock); others wait for it. What a deposed leader
still tries to write fails on its checkpoint.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psycopg
import structlog

from domain.kernel import Event, Recorded
from infra.bus import Entry, publish
from infra.db import FENCED, Connection, leading
from infra.eventstore.reader import HEAD
from infra.runtime import Runtime
from projections import generations, parking
from projections.apply import apply
from projections.feed import Feed
from projections.model import Projection, Push, Write, reads

BATCH = 2_000  # events of one transaction
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)  # back-off on infrastructure errors
# Read tables are made again from the log: after a crash rows and checkpoint go back together.
NO_FSYNC = "-c synchronous_commit=off"
PUBLISH_TIMEOUT_S = 0.25  # Redis away must not hold up the log; gateways mend from room_log

GATHER_S = {"queries": 0.004, "audit": 0.02}  # seconds; others compete with them for the CPU

AnyProjection = Projection[Any]

log = structlog.get_logger()


class Deposed(Exception):
    """Another leader moved the checkpoint: this one's transaction was rolled back."""


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
    async with asyncio.TaskGroup() as tasks:
        for group in groups:
            tasks.create_task(_run(runtime, group, note), name=group.name)


async def _run(runtime: Runtime, group: Group, note: Callable[[str, bool], None]) -> None:
    failures, conninfo = 0, runtime.settings.database_url
    while True:
        note(group.name, False)
        try:
            async with leading(conninfo, f"projector {group.name}", NO_FSYNC) as connection:
                position = await _prepare(runtime, connection, group)
                note(group.name, True)
                failures = 0
                await _lead(runtime, connection, group, position)
        except (psycopg.OperationalError, Deposed) as error:
            log.warning("projector_stepped_down", group=group.name, error=str(error).strip())
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1


async def _prepare(runtime: Runtime, connection: Connection, group: Group) -> int:
    """The group's checkpoint, with every projection's generation built up to it."""
    await connection.execute(
        "INSERT INTO formula_checkpoints (name) VALUES (%s) ON CONFLICT DO NOTHING", (group.name,)
    )
    cursor = await connection.execute(
        "SELECT position FROM formula_checkpoints WHERE name = %s", (group.name,)
    )
    row = await cursor.fetchone()
    position = int(row[0]) if row else 0
    for projection in group.projections:
        await generations.ensure(runtime, connection, projection, position)
    await generations.use(connection, await generations.serving(connection))
    return position


async def _lead(runtime: Runtime, connection: Connection, group: Group, position: int) -> None:
    step = Step(runtime, connection, group, await parking.blocked(connection))
    follower = runtime.store.follower
    while True:
        seen = follower.count
        batch = await runtime.store.read(position, BATCH, motion=group.motion)
        if batch:
            position = await step.advance(position, batch)
        if len(batch) < BATCH:
            await follower.wait(seen)
            await asyncio.sleep(group.gather_s)


class Step:
    """Applies batches for one leader."""

    def __init__(
        self, runtime: Runtime, connection: Connection, group: Group, blocked: parking.Blocked
    ) -> None:
        self._runtime = runtime
        self._connection = connection
        self._group = group
        self._blocked = blocked
        self._feed = Feed()
        self._handled = reads(group.projections)

    async def advance(self, position: int, batch: Sequence[Recorded[Event]]) -> int:
        """Project a batch that was read after `position`; returns its last position.

        A batch that fails is halved until the event at fault is alone; that one is parked, or,
        in the group that pushes, passed over.
        """
        try:
            entries = await self._commit(position, batch)
        except Exception as error:
            self._feed.forget()
            if isinstance(error, psycopg.Error) and error.sqlstate == FENCED:
                raise Deposed(str(error)) from error
            if isinstance(error, psycopg.OperationalError):
                raise
            return await self._isolate(position, batch, error)
        await self._publish(entries)
        return batch[-1].position

    async def _commit(
        self, position: int, batch: Sequence[Recorded[Event]]
    ) -> dict[str, list[Entry]]:
        """Rows and checkpoint in one transaction, and that in one round trip."""
        wanted = [one for one in batch if type(one.event) in self._handled]
        writes = [write for one in self._group.projections for write in self._writes(one, wanted)]
        pushes = [write for write in writes if isinstance(write, Push)]
        pushes.sort(key=lambda push: push.recorded.position)
        admitted = await self._feed.admit(self._connection, pushes)
        async with self._connection.pipeline(), self._connection.transaction():
            await self._move(position, batch[-1].position)
            await apply(self._connection, [*writes, *admitted.writes])
        self._feed.trim()
        return admitted.entries

    def _writes(self, projection: AnyProjection, batch: Sequence[Recorded[Event]]) -> list[Write]:
        mine = [one for one in batch if isinstance(one.event, projection.events)]
        blocked = self._blocked.get(projection.name)
        if not blocked:
            return projection.project(mine) if mine else []
        free = [one for one in mine if one.stream not in blocked]
        behind = [one for one in mine if one.stream in blocked]
        parked = [parking.park(projection.name, one, None) for one in behind]
        return [*parked, *(projection.project(free) if free else [])]

    async def _move(self, position: int, to: int) -> None:
        await self._connection.execute(
            "SELECT formula_advance(%s, %s, %s)", (self._group.name, position, to), prepare=True
        )

    async def _isolate(
        self, position: int, batch: Sequence[Recorded[Event]], error: Exception
    ) -> int:
        if len(batch) > 1:
            middle = len(batch) // 2
            position = await self.advance(position, batch[:middle])
            return await self.advance(position, batch[middle:])
        one = batch[0]
        log.error(
            "event_not_projected",
            group=self._group.name,
            position=one.position,
            stream=str(one.stream),
            error=repr(error),
        )
        async with self._connection.transaction():
            await self._move(position, one.position)
            for projection in self._group.projections if not self._group.pushes else ():
                await self._try_alone(projection, one)
        return one.position

    async def _try_alone(self, projection: AnyProjection, one: Recorded[Event]) -> None:
        """The event at fault: whichever projection cannot apply it has a dead letter."""
        try:
            async with self._connection.transaction():
                await apply(self._connection, self._writes(projection, [one]))
        except psycopg.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001, written down with its dead letter
            await apply(self._connection, [parking.park(projection.name, one, error)])
            self._blocked.setdefault(projection.name, set()).add(one.stream)

    async def _publish(self, entries: dict[str, list[Entry]]) -> None:
        if not entries:
            return
        runtime = self._runtime
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                await publish(runtime.redis, runtime.settings.redis_prefix, entries)
        except Exception as error:  # noqa: BLE001, see PUBLISH_TIMEOUT_S
            log.warning("publish_failed", rooms=len(entries), error=repr(error))


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
