"""What serves under code of another version stops, says so, and is whole when it goes on."""

from uuid import uuid4

import pytest

from infra.runtime import Runtime
from projections import generations, projector, read
from projections.building import fill
from projections.generations import RETIRED
from projections.read import Rebuilding, reading, wait_for
from tests.integration.test_generations import all_of, built, group, seen, until_serving
from tests.integration.test_projector import WAIT_S, act, running


@pytest.fixture
async def stopped(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """Version 1 has shown "1"; then version 2 led, while "2" came, and was not built."""
    monkeypatch.setattr(projector, "SHORT", -1)  # as a long log: builders build it, by and by
    monkeypatch.setattr(read, "PROJECTIONS", (seen(),))
    async with runtime.db.connection() as db:
        schema = await generations.begin(db, seen(1))
        await fill(runtime, db, seen(1), schema, 0)
        await db.execute("RESET search_path")
    for version in (1, 2):
        async with running(runtime, group(seen(version))):
            last = await act(runtime, uuid4(), str(version))
            await wait_for(runtime, "queries", last, WAIT_S)
    return runtime


async def shown(runtime: Runtime, position: int) -> list[str]:
    async with reading(runtime, min_position=position) as db:
        cursor = await db.execute("SELECT kind FROM seen ORDER BY position")
        return [kind for (kind,) in await cursor.fetchall()]


async def test_who_asks_for_what_it_lacks_is_told(stopped: Runtime) -> None:
    last = await stopped.store.head()
    assert await shown(stopped, last - 1) == ["1"]
    with pytest.raises(Rebuilding):
        await shown(stopped, last)
    async with built(stopped, seen(2), "seen_2"), running(stopped, group(seen(2))):
        await until_serving(stopped, "seen_2")
        assert await shown(stopped, last) == ["1", "2"]


async def test_the_older_code_makes_good_what_the_newer_left_out(stopped: Runtime) -> None:
    for kind in ("3", "4"):
        async with running(stopped, group(seen(1))):
            last = await act(stopped, uuid4(), kind)
            await wait_for(stopped, "queries", last, WAIT_S)
    assert await shown(stopped, await stopped.store.head()) == ["1", "2", "3", "4"]


async def test_the_way_back_begins_where_it_stopped(stopped: Runtime) -> None:
    async with built(stopped, seen(2), "seen_2"), running(stopped, group(seen(2))):
        await until_serving(stopped, "seen_2")
    async with stopped.db.connection() as db:
        assert await generations.back(db, "seen", "queries") is not None
    async with built(stopped, seen(1), "seen_1"), running(stopped, group(seen(1))):
        await until_serving(stopped, "seen_1")
        assert await shown(stopped, await stopped.store.head()) == ["1", "2"]
    found = await all_of(stopped)
    assert (found["seen_1"].stopped, found["seen_2"].state) == (False, RETIRED)
