"""Projectors are killed under load: afterwards every row is as a rebuild makes it."""

import time

import pytest

from infra.runtime import Runtime
from tests.faults.children import times
from tests.faults.projecting import GROUPS, assert_projected, moved, projector, standing_by, worked
from tests.faults.results import Counts

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(600)]

KILLS, TAKEOVERS = times(50), times(10)
TAKEOVER_S = 3.0  # from the kill to the next rows of every group


async def test_killed_projectors_leave_rows_as_a_rebuild_makes_them(
    runtime: Runtime, counts: Counts
) -> None:
    settings = runtime.settings
    async with worked(runtime):
        for turn in range(KILLS):
            async with projector(settings):
                await moved(settings, GROUPS[turn % len(GROUPS)])
    async with projector(settings):
        await assert_projected(runtime)
    counts.add(KILLS)


async def test_a_standby_takes_over_from_a_killed_leader_in_time(
    runtime: Runtime, counts: Counts
) -> None:
    settings, took = runtime.settings, list[float]()
    async with worked(runtime):
        for _ in range(TAKEOVERS):
            async with projector(settings) as leader:
                await moved(settings)
                async with projector(settings):
                    await standing_by(settings)
                    leader.kill()
                    killed = time.monotonic()
                    await leader.wait()
                    await moved(settings)
                    took.append(time.monotonic() - killed)
    assert max(took) < TAKEOVER_S, took
    async with projector(settings):
        await assert_projected(runtime)
    counts.add(TAKEOVERS)
