"""The connection that hears of the log reads as the pool's do, and comes back when it is lost."""

import asyncio
from uuid import uuid4

import psycopg
import pytest

from domain.motion import Typing
from infra.eventstore.types import ANY, Motion, To
from infra.runtime import Runtime
from tests.integration.stock import ROOM, meta, note

pytestmark = pytest.mark.services
LIMIT_S = 10.0


async def test_it_reads_what_the_store_reads(runtime: Runtime) -> None:
    store, follower = runtime.store, runtime.store.follower
    for number in range(5):
        await store.append(meta(), To(uuid4(), ANY, (note(f"{number}"), note("again"))))
    seen = follower.count
    store.append_motion(Motion(Typing(room=ROOM, where="title", on=True), uuid4(), uuid4(), None))
    await store.append(meta(), To(uuid4(), ANY, (note("last"),)))
    await follower.wait(seen, LIMIT_S)
    for motion in (True, False):
        for after in range(await store.head() + 1):
            for limit in (1, 3, 100):
                found = await follower.read(after, limit, motion=motion)
                assert found == await store.read(after, limit, motion=motion)


async def test_a_lost_connection_wakes_who_waits_and_reads_again(runtime: Runtime) -> None:
    store, follower = runtime.store, runtime.store.follower
    await follower.wait(0, LIMIT_S)  # it listens
    for _ in range(2):
        pid = (await follower.opened()).connection.info.backend_pid
        seen = follower.count
        async with runtime.db.connection() as db:
            await db.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        position = (await store.append(meta(), To(uuid4(), ANY, (note("on"),)))).positions[-1]
        async with asyncio.timeout(LIMIT_S):
            while follower.count == seen:
                await follower.wait(seen)
            [one] = await follower.read(position - 1, 10, motion=False)
        assert one.position == position


async def test_who_reads_while_it_is_cut_hears_of_it(runtime: Runtime) -> None:
    follower = runtime.store.follower
    await follower.opened()
    reading = asyncio.create_task(follower.read(0, 10))
    await asyncio.sleep(0)
    follower.cut()
    with pytest.raises(psycopg.OperationalError):
        await reading
    assert await follower.read(0, 10) == await runtime.store.read(0, 10)
