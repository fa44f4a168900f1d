"""Postgres crashes under load: all of its processes are killed at one moment, and it recovers."""

from pathlib import Path

import pytest

from infra.runtime import open_runtime
from tests.faults.children import loading, times
from tests.faults.cluster import own_cluster
from tests.faults.results import Counts
from tests.faults.witness import witnessing

pytestmark = [pytest.mark.services, pytest.mark.faults]

CRASHES = times(20)
BETWEEN = 100  # answers


async def test_after_a_crash_of_postgres_all_that_was_answered_is_there_and_all_goes_on(
    folder: Path, tmp_path: Path, counts: Counts
) -> None:
    async with own_cluster(folder) as cluster:
        with (
            witnessing(cluster.settings, tmp_path) as witness,
            loading(cluster.settings, witness.diary()) as loader,
        ):
            for _ in range(CRASHES):
                await loader.more(BETWEEN)
                await cluster.crash_and_restart()
            await loader.more(BETWEEN)
            await loader.end()
            async with open_runtime(cluster.settings) as runtime:
                checked = await witness.check(runtime.store)
    assert checked.unanswered == 0
    counts.add(CRASHES, checked)
