"""What a project may keep is looked at under a lock: who waits for it stands in nobody's way."""

import asyncio
from uuid import uuid4

import pytest

from infra.db import connect
from infra.uploads import LOCKS, Upload, lock_quotas
from projections.quotas import reserve
from tests.integration.conftest import Api

pytestmark = pytest.mark.services

WAITING = "SELECT FROM pg_locks WHERE locktype='advisory' AND classid=%s AND NOT granted"


async def test_who_waits_for_a_quota_leaves_connections_to_others(api: Api) -> None:
    runtime = api.runtime
    project, person = uuid4(), uuid4()
    many = 2 * runtime.settings.database_pool_size
    coming = [Upload(uuid4(), project, person, 1) for _ in range(many)]
    async with (
        asyncio.timeout(30),
        asyncio.TaskGroup() as tasks,
        await connect(runtime.settings.database_url) as first,
        first.transaction(),
    ):
        await lock_quotas(first, coming[0])
        reserving = [tasks.create_task(reserve(runtime, one, 60.0)) for one in coming]
        while not (await first.execute(WAITING, (LOCKS,))).rowcount:  # noqa: ASYNC110, it is in Postgres
            await asyncio.sleep(0.01)
        async with runtime.db.connection() as other:
            waiting = (await other.execute(WAITING, (LOCKS,))).rowcount
        assert (waiting, any(one.done() for one in reserving)) == (1, False)
