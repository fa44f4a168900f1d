"""The connection that looks at the log."""

import asyncio
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from domain.kernel import Metadata
from domain.project import ProjectChanged
from infra.eventstore.lookout import Lookout
from infra.eventstore.types import NEW, To
from infra.runtime import Runtime

OPEN = "SELECT pid FROM pg_stat_activity WHERE application_name=%s"
TERMINATE = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name=%s"

pytestmark = pytest.mark.services


async def test_it_tells_which_streams_moved_in_the_order_of_the_log(runtime: Runtime) -> None:
    lookout, streams = Lookout(runtime.settings.database_url), [uuid4() for _ in range(3)]
    positions = [
        (
            await runtime.store.append(
                Metadata(command_id=uuid4()), To(stream, NEW, (ProjectChanged(name="P"),))
            )
        ).positions[0]
        for stream in streams
    ]
    wanted = [(at, stream.bytes, 1) for at, stream in zip(positions, streams, strict=True)]
    assert await lookout.moved(positions[0] - 1, 10) == wanted
    assert await lookout.moved(positions[0], 1) == wanted[1:2]
    assert await lookout.moved(positions[2], 10) == []
    await lookout.close()


async def test_after_its_connection_was_lost_it_looks_over_another(runtime: Runtime) -> None:
    name = f"lookout-{uuid4()}"
    url = make_conninfo(runtime.settings.database_url, application_name=name)
    lookout, answers = Lookout(url), 0
    assert await lookout.moved(1 << 40, 1) == []
    async with runtime.db.connection() as connection:
        ended = await (await connection.execute(TERMINATE, (name,))).fetchall()
    assert ended == [(True,)]
    for _ in range(2):  # who asks before the loss was noticed is told of it
        try:
            answers += await lookout.moved(1 << 40, 1) == []
        except psycopg.OperationalError:
            continue
    assert answers >= 1
    await lookout.close()


async def test_who_asks_when_it_was_closed_leaves_no_connection_behind(runtime: Runtime) -> None:
    name = f"lookout-{uuid4()}"
    lookout = Lookout(make_conninfo(runtime.settings.database_url, application_name=name))
    opening = asyncio.create_task(lookout.moved(0, 1))
    await asyncio.sleep(0)  # it has begun to connect
    await lookout.close()
    for asked in (opening, lookout.moved(0, 1)):
        with pytest.raises(psycopg.OperationalError):
            await asked
    async with runtime.db.connection() as db, asyncio.timeout(20):  # one may be ending
        while await (await db.execute(OPEN, (name,))).fetchall():  # noqa: ASYNC110, it is in Postgres
            await asyncio.sleep(0.02)
