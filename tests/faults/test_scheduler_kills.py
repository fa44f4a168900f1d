"""Schedulers are killed exactly at a tick: each tick is one run, and none is missed."""

from collections import Counter
from contextlib import ExitStack
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from subprocess import Popen

import pytest

from domain.jobs import JobRequested
from domain.registry import tag_of
from infra.eventstore.types import MAX_READ
from infra.runtime import Runtime
from tests.faults.children import LIMIT_S, child, times, words
from tests.faults.results import Counts
from tests.faults.ticking import OFTEN, PLACES
from tests.infra.until import until
from workers.schedules import Schedules, tick_id, ticks

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(600)]

KILLS = times(40)


async def seen(runtime: Runtime) -> datetime:
    async with runtime.db.connection() as db:
        cursor = await db.execute("SELECT seen_at FROM formula_schedules")
        rows: list[tuple[datetime]] = await cursor.fetchall()
    [(at,)] = rows
    return at


async def test_every_tick_is_one_run_wherever_its_scheduler_dies(
    runtime: Runtime, tmp_path: Path, counts: Counts
) -> None:
    look = Schedules(runtime, (OFTEN,))
    await look(0.0)
    began = await seen(runtime)
    with ExitStack() as stack:

        def start(number: int) -> tuple[Popen[bytes], Path]:
            written = tmp_path / f"{number}"
            place = PLACES[number % len(PLACES)]
            return stack.enter_context(child("ticking", runtime.settings, written, place)), written

        leads = start(0)
        for number in range(1, KILLS + 1):
            stands_by = start(number)
            process, written = leads
            await until(lambda: process.poll() is not None, LIMIT_S)  # noqa: B023, awaited here
            assert process.returncode == -9, words(written)
            leads = stands_by
    await Schedules(runtime, (OFTEN,))(0.0)  # what the last one left
    ended = await seen(runtime)
    wanted = takewhile(lambda at: at <= ended, ticks(OFTEN, began, "UTC"))
    found = await runtime.store.read(0, MAX_READ, types=[tag_of(JobRequested)])
    assert Counter(one.stream for one in found) == Counter(tick_id(OFTEN, at) for at in wanted)
    assert len(found) > KILLS / len(PLACES)
    counts.add(KILLS)
