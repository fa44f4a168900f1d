"""Timers over a real log: what is due happens once, whoever leads."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from domain import motion
from domain.lock import LOCK, AcquireLock, ExpireLock, StopWaiting, lock_stream
from domain.motion_summary import MOTION_SUMMARY, MotionSummed, SumMotion, summary_stream
from domain.participation import PARTICIPATION, Join, Leave, LeaveReason
from domain.registry import tag_of
from infra.db import Connection, seconds
from infra.eventstore.types import Motion
from infra.runtime import Origin, Runtime
from projections.read import wait_for
from tests.workers.office import until
from workers.reaper import Reaper
from workers.scheduler import Schedule, schedule
from workers.waiters import Waiters

ANN, PROJECT, ALIVE, LOST, UNKNOWN = (UUID(int=n) for n in (1, 11, 21, 22, 23))
ROOM = f"project:{PROJECT}"
LEASE_S = 5.0

Reap = Callable[[float], Awaitable[None]]


@asynccontextmanager
async def scheduling(runtime: Runtime, notes: list[bool]) -> AsyncGenerator[asyncio.Task[None]]:
    async with asyncio.TaskGroup() as tasks:
        scheduler = tasks.create_task(schedule(runtime, notes.append))
        yield scheduler
        scheduler.cancel()


async def happened(runtime: Runtime, tag: str) -> list[UUID]:
    """The streams of the events with that tag, in their order."""
    async with runtime.db.connection() as db:
        cursor = await db.execute(
            "SELECT stream FROM formula_log WHERE tag = %s ORDER BY position", (tag,)
        )
        return [stream for (stream,) in await cursor.fetchall()]


async def lock(runtime: Runtime, resource: str, age_s: float) -> UUID:
    """A lock of half a minute, acquired so long ago."""
    stream = lock_stream(PROJECT, resource)
    acquire = AcquireLock(
        project=PROJECT,
        resource=resource,
        holder=ANN,
        participation=runtime.new_id(),
        now=runtime.now() - timedelta(seconds=age_s),
    )
    await runtime.execute(Origin(ANN), LOCK, stream, acquire, project=PROJECT)
    return stream


async def join(runtime: Runtime, node: UUID) -> UUID:
    """Somebody whom `node` let in."""
    participation = runtime.new_id()
    join = Join(user=ANN, connection=runtime.new_id(), room=ROOM, project=PROJECT, node=node)
    outcome = await runtime.execute(Origin(ANN), PARTICIPATION, participation, join)
    await wait_for(runtime, "live", outcome.position or 0)
    return participation


@pytest.fixture
async def nodes(projected: Runtime) -> Runtime:
    """One gateway is alive, one was last seen a minute ago, one has no row."""
    async with projected.db.connection() as db:
        await db.execute(
            "INSERT INTO formula_nodes (node, role, name, pid, state, seen_at) VALUES"
            " (%s, 'api', 'here', 1, 'ready', clock_timestamp() + interval '1 hour'),"
            " (%s, 'api', 'here', 2, 'ready', clock_timestamp() - interval '1 minute')",
            (ALIVE, LOST),
        )
    return projected


@pytest.fixture
async def reap(nodes: Runtime, monkeypatch: pytest.MonkeyPatch) -> Reap:
    """A reaper's look at so many seconds, by both clocks."""
    async with nodes.db.connection() as db:
        began = await seconds(db)
    reaper, shown = Reaper(nodes, LEASE_S), began

    async def theirs(_db: Connection) -> float:
        return shown

    async def look(now: float) -> None:
        nonlocal shown
        shown = began + now
        await reaper(now)

    monkeypatch.setattr("workers.reaper.seconds", theirs)
    return look


async def known_nodes(runtime: Runtime) -> set[UUID]:
    async with runtime.db.connection() as db:
        cursor = await db.execute("SELECT node FROM formula_nodes")
        return {node for (node,) in await cursor.fetchall()}


async def test_a_lock_whose_time_is_over_expires_once(projected: Runtime) -> None:
    over = await lock(projected, "task:1", age_s=40)
    await lock(projected, "task:2", age_s=0)

    async def expired() -> list[UUID]:
        return await happened(projected, "lock.expired.v1")

    async with scheduling(projected, []), scheduling(projected, []):
        await until(expired)
    await Schedule(projected).expire_locks(0.0)
    assert await expired() == [over]


async def test_members_of_lost_gateways_are_ended(nodes: Runtime, reap: Reap) -> None:
    await join(nodes, ALIVE)
    strays = [await join(nodes, LOST), await join(nodes, UNKNOWN)]
    for now in (0.0, 2.0, 4.0):
        await reap(now)
    assert await happened(nodes, "participation.left.v1") == []  # it may have been cut off itself
    await reap(LEASE_S)
    assert sorted(await happened(nodes, "participation.left.v1")) == sorted(strays)


async def test_a_reaper_that_was_cut_off_waits_again(nodes: Runtime, reap: Reap) -> None:
    stray = await join(nodes, LOST)
    for now in (0.0, 2.0, 4.0, 20.0, 22.0, 24.0):
        await reap(now)
    assert await happened(nodes, "participation.left.v1") == []
    await reap(25.0)
    assert await happened(nodes, "participation.left.v1") == [stray]


async def test_a_member_of_a_lost_gateway_is_summed_up_once(nodes: Runtime, reap: Reap) -> None:
    still, moving = await join(nodes, LOST), await join(nodes, LOST)
    facts = [motion.typing(ROOM, "title", on=True), motion.cursor(ROOM, msgspec.Raw(b"{}"))]
    for fact in facts:
        nodes.store.append_motion(Motion(fact, moving, ANN, PROJECT))

    async def stored() -> bool:
        return len(await happened(nodes, "motion.cursor.v1")) == 1

    await until(stored)
    for now in (0.0, 2.0, 4.0, 6.0, 6.1):  # the last may be before the projector
        await reap(now)
    assert set(await happened(nodes, "participation.left.v1")) == {still, moving}
    found = await nodes.store.read(0, 100, motion=False, types=[tag_of(MotionSummed)])
    [summed] = [one.event for one in found if isinstance(one.event, MotionSummed)]
    assert (summed.participation, summed.user, summed.room) == (moving, ANN, ROOM)
    assert (summed.cursors, summed.typing, summed.selections) == (1, 1, 0)
    assert summed.first <= summed.last
    again = SumMotion(**msgspec.structs.asdict(summed))
    stream = summary_stream(moving)
    outcome = await nodes.execute(Origin(ANN), MOTION_SUMMARY, stream, again)
    assert outcome.events == (), "its gateway was not lost, but late"


async def test_a_lost_gateway_is_forgotten_after_its_members(nodes: Runtime, reap: Reap) -> None:
    await join(nodes, LOST)
    for now in (0.0, 2.0, 4.0, 6.0):
        await reap(now)
    assert await known_nodes(nodes) == {ALIVE, LOST}
    await wait_for(nodes, "live", await nodes.store.head())
    await reap(7.0)
    assert await known_nodes(nodes) == {ALIVE}


async def waits(runtime: Runtime, stream: UUID, participation: UUID) -> None:
    wait = AcquireLock(
        project=PROJECT,
        resource="task:1",
        holder=ANN,
        participation=participation,
        wait=True,
        now=runtime.now(),
    )
    outcome = await runtime.execute(Origin(ANN), LOCK, stream, wait, project=PROJECT)
    await wait_for(runtime, "live", outcome.position or 0)


async def test_who_is_gone_waits_for_nothing(nodes: Runtime) -> None:
    stream = await lock(nodes, "task:1", age_s=0)
    here, lost, never = await join(nodes, ALIVE), await join(nodes, LOST), nodes.new_id()
    for participation in (never, lost, here):
        await waits(nodes, stream, participation)

    async def queue() -> list[UUID]:
        return [one.participation for one in (await nodes.load(LOCK, stream)).state.queue]

    unqueue = Waiters(nodes)
    await unqueue(0.0)
    assert await queue() == [lost, here]
    left = await nodes.execute(Origin(), PARTICIPATION, lost, Leave(reason=LeaveReason.NODE_LOST))
    await wait_for(nodes, "live", left.position or 0)
    await unqueue(0.0)
    assert await queue() == [here]
    await waits(nodes, stream, lost)  # it was on its way when its connection ended
    await unqueue(0.0)
    assert await queue() == [here]


async def test_a_lock_that_came_to_who_is_gone_goes_on(nodes: Runtime) -> None:
    stream = await lock(nodes, "task:1", age_s=0)
    here, gone = await join(nodes, ALIVE), nodes.new_id()
    for participation in (gone, here):
        await waits(nodes, stream, participation)
    over = ExpireLock(token=1, now=nodes.now() + timedelta(seconds=40))
    await nodes.execute(Origin(), LOCK, stream, over, project=PROJECT)
    stop = StopWaiting(participations=(gone,), reason="gone", now=nodes.now())
    await nodes.execute(Origin(), LOCK, stream, stop, project=PROJECT)
    assert (await nodes.load(LOCK, stream)).state.participation == here


async def test_motion_has_partitions_ahead_of_the_log(runtime: Runtime) -> None:
    async with runtime.db.connection() as db:
        await db.execute("SELECT setval('formula_events_notification_id_seq', 20500000)")
        await Schedule(runtime).maintain_motion(0.0)
        cursor = await db.execute("SELECT formula_motion_partitions(4)")
        assert await cursor.fetchone() == (0,)


async def test_another_scheduler_takes_over_from_one_that_ends(runtime: Runtime) -> None:
    first: list[bool] = []
    second: list[bool] = []

    async def leads(notes: list[bool]) -> bool:
        return notes[-1:] == [True]

    async with scheduling(runtime, first) as leader:
        await until(lambda: leads(first))
        async with scheduling(runtime, second):
            assert second in ([], [False])
            leader.cancel()
            await until(lambda: leads(second))
    assert first == [False, True]
    assert second == [False, True]


async def test_a_scheduler_that_loses_its_lease_leads_again(runtime: Runtime) -> None:
    notes: list[bool] = []

    async def led(times: int) -> bool:
        return notes.count(True) == times

    async with scheduling(runtime, notes):
        await until(lambda: led(1))
        async with runtime.db.connection() as db:
            await db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND classid = 5014003"
            )
        await until(lambda: led(2))
    assert notes == [False, True, False, True]
