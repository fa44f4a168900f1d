"""Postgres and Valkey crash under projectors at work: these come back, and every row is right."""

from pathlib import Path

import msgspec
import pytest

from infra.runtime import open_runtime
from infra.settings import Settings
from tests.faults.children import times
from tests.faults.cluster import own_cache, own_cluster
from tests.faults.listening import heard
from tests.faults.projecting import assert_projected, moved, projector, worked
from tests.faults.results import Counts

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(600)]

CRASHES = times(20)


async def test_projectors_come_back_after_crashes_of_postgres(
    folder: Path, settings: Settings, counts: Counts
) -> None:
    """Its rows are not yet on disk when it crashes: with its checkpoint they go back together."""
    async with own_cluster(folder) as cluster:
        mine = msgspec.structs.replace(settings, database_url=cluster.settings.database_url)
        async with projector(mine) as process:
            async with open_runtime(mine) as runtime, worked(runtime):
                for _ in range(CRASHES):
                    await moved(mine)
                    await cluster.crash_and_restart()
                await moved(mine)
            async with open_runtime(mine) as runtime:
                await assert_projected(runtime)
            assert process.returncode is None
    counts.add(CRASHES)


async def test_projectors_and_who_listens_need_nothing_that_valkey_forgets(
    folder: Path, settings: Settings, counts: Counts
) -> None:
    """Flushed it has lost all that it held, crashed it is away for a while."""
    async with own_cache(folder) as cache:
        mine = msgspec.structs.replace(settings, redis_url=cache.url)
        async with open_runtime(mine) as runtime, projector(mine) as process:
            async with worked(runtime):
                await moved(mine)
                async with heard(runtime):
                    for _ in range(CRASHES):
                        await cache.empty()
                        await moved(mine)
                        async with cache.away():
                            await moved(mine)
                        await moved(mine)
            await assert_projected(runtime)
            assert process.returncode is None
    counts.add(2 * CRASHES)
