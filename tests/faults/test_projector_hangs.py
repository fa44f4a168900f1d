"""A leader that hangs loses its lease, and what it still tries to write is refused."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from infra.runtime import Runtime
from tests.faults.children import times
from tests.faults.projecting import GROUPS, assert_projected, moved, projector, worked
from tests.faults.results import Counts
from tests.infra.until import until

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(600)]

ROUNDS = times(10)
STEPPED_DOWN = "projector_stepped_down"


async def test_a_leader_that_hung_is_refused_once_another_leads(
    runtime: Runtime, tmp_path: Path, counts: Counts
) -> None:
    settings = runtime.settings
    async with worked(runtime):
        for turn in range(ROUNDS):
            written = tmp_path / f"{turn}.log"
            async with projector(settings, written) as hung:
                await moved(settings)
                async with projector(settings):
                    os.kill(hung.pid, signal.SIGSTOP)
                    await moved(settings)
                    os.kill(hung.pid, signal.SIGCONT)
                    await until(partial(has_stepped_down, written))
                    assert hung.returncode is None
    async with projector(settings):
        await assert_projected(runtime)
    counts.add(ROUNDS)


def has_stepped_down(written: Path) -> bool:
    """As leader of every group: what it wrote next was refused."""
    lines = [line for line in written.read_text().splitlines() if STEPPED_DOWN in line]
    return all(any(f'"{group}"' in line for line in lines) for group in GROUPS)
