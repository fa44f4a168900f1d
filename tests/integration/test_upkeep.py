"""What operators ask for: who asks twice, what holds against a restart, what reaches a build."""

import asyncio
from functools import partial
from uuid import uuid4

import pytest

from domain.errors import NotFound, WrongState
from domain.registry import tag_of
from domain.upkeep import upkeep_stream
from infra.runtime import SYSTEM, Runtime
from projections import generations, upkeep
from projections.building import catch_up
from projections.generations import BUILDING, READY
from projections.read import wait_for
from projections.registry import PROJECTIONS
from tests.integration.test_generations import (
    Refuses,
    built,
    group,
    kinds,
    kinds_in,
    seen,
    until,
    until_serving,
)
from tests.integration.test_projector import WAIT_S, act, running


async def noted(runtime: Runtime, projection: str) -> list[str]:
    found = await runtime.store.read_stream(upkeep_stream(projection))
    return [tag_of(type(one.event)) for one in found]


async def test_of_two_who_ask_for_a_rebuild_one_has_it(projected: Runtime) -> None:
    asked = [upkeep.ask_rebuild(projected, SYSTEM, "tasks") for _ in range(2)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(one) for one in found} == {WrongState, str}
    assert await noted(projected, "tasks") == ["upkeep.rebuild_asked.v1"]


async def test_what_is_refused_is_not_noted(projected: Runtime) -> None:
    with pytest.raises(WrongState, match="nothing_before"):
        await upkeep.ask_rollback(projected, SYSTEM, "tasks")
    with pytest.raises(NotFound):
        await upkeep.ask_retry(projected, SYSTEM, "tasks", 1)
    assert await noted(projected, "tasks") == []


async def test_of_two_who_go_back_one_does(runtime: Runtime) -> None:
    """Else they would go back two steps, or lose what the other asked for."""
    last = await act(runtime, uuid4(), "1")
    for version in (1, 2):
        async with runtime.db.connection() as db:
            schema = await generations.begin(db, seen(version))
        async with running(runtime, group(seen(version))):
            await until_serving(runtime, schema)
            await wait_for(runtime, "queries", last, WAIT_S)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upkeep, "PROJECTIONS", (*PROJECTIONS, seen(2)))
        asked = [upkeep.ask_rollback(runtime, SYSTEM, "seen") for _ in range(2)]
        found = await asyncio.gather(*asked, return_exceptions=True)
    assert [one for one in found if isinstance(one, str)] == ["seen_1"]
    assert {type(one) for one in found} == {WrongState, str}


async def test_a_newer_version_that_is_being_built_is_given_up(runtime: Runtime) -> None:
    async with running(runtime, group(seen(1))):
        await wait_for(runtime, "queries", await act(runtime, uuid4(), "0"), WAIT_S)
        async with runtime.db.connection() as db:
            newer = await generations.begin(db, seen(2))
            await generations.mark(db, newer, READY, BUILDING)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(upkeep, "PROJECTIONS", (*PROJECTIONS, seen(1)))
            assert await upkeep.ask_rollback(runtime, SYSTEM, "seen") == "seen_1"
        last = await act(runtime, uuid4(), "1")
        await wait_for(runtime, "queries", last, WAIT_S)  # its leader goes on
    async with runtime.db.connection() as db:
        assert await generations.begin_missing(db, [seen(2)], renew=True) == []


async def test_what_is_skipped_is_left_out_of_what_is_being_built(runtime: Runtime) -> None:
    """Also where that has it already: it is built anew."""
    bad, last = await act(runtime, uuid4(), "bad"), await act(runtime, uuid4(), "good")
    async with running(runtime, group(seen(refuses=Refuses("bad")))):
        await wait_for(runtime, "queries", last, WAIT_S)
        async with runtime.db.connection() as db:
            had = await generations.begin(db, seen())
            await catch_up(runtime, db, seen(), had, last)
            await db.execute("RESET search_path")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(upkeep, "PROJECTIONS", (*PROJECTIONS, seen()))
            await upkeep.ask_skip(runtime, SYSTEM, "seen", bad, "bad from the start")
        await until(partial(nothing_held, runtime, "seen_1"))
        async with runtime.db.connection() as db:
            found = await generations.generations(db, ["seen"])
            wanted = generations.wanted(found, "seen")
            assert wanted is not None
            assert wanted.schema not in {had, "seen_1"}
            await generations.lay_out(db, seen(), wanted.schema)  # as its builder does
            await catch_up(runtime, db, seen(), wanted.schema, last)
            assert await kinds_in(db, wanted.schema) == ["good"]
            await db.execute("RESET search_path")


async def test_code_that_was_gone_back_from_does_not_come_again_by_itself(
    runtime: Runtime,
) -> None:
    last = await act(runtime, uuid4(), "1")
    async with running(runtime, group(seen(1))):
        await wait_for(runtime, "queries", last, WAIT_S)
    async with runtime.db.connection() as db:
        await generations.begin(db, seen(2))
    async with running(runtime, group(seen(2))):
        await until_serving(runtime, "seen_2")
    async with runtime.db.connection() as db:
        assert await generations.back(db, "seen", "queries") is not None
    async with running(runtime, group(seen(1))), built(runtime, seen(1), "seen_1"):
        await until_serving(runtime, "seen_1")
    async with runtime.db.connection() as db:
        for version, begun in ((2, []), (3, ["seen_3"])):
            found = await generations.begin_missing(db, [seen(version)], renew=True)
            assert [schema for _, schema in found] == begun


async def test_what_is_skipped_while_a_build_runs_is_skipped_there_too(runtime: Runtime) -> None:
    one = seen(refuses=Refuses("bad"))
    last = [await act(runtime, uuid4(), kind) for kind in ("bad", "good")][-1]
    async with running(runtime, group(one)):
        await wait_for(runtime, "queries", last, WAIT_S)
        async with runtime.db.connection() as db:
            schema = await generations.begin(db, one)
            await catch_up(runtime, db, one, schema, last)  # it has a letter of its own
            await db.execute("RESET search_path")
            await db.execute(
                "UPDATE formula_dead_letters SET asked = 'skip' WHERE generation = 'seen_1'"
            )
        await until(partial(nothing_held, runtime, "seen_1"))
        assert not await nothing_held(runtime, schema)
        async with built(runtime, one, schema):
            await until_serving(runtime, schema)
        await until(partial(nothing_held, runtime, schema))
        assert await kinds(runtime) == ["good"]


async def nothing_held(runtime: Runtime, schema: str) -> bool:
    async with runtime.db.connection() as db:
        query = "SELECT FROM formula_dead_letters WHERE generation = %s"
        return not await (await db.execute(query, (schema,))).fetchall()
