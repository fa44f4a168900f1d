"""Lists that are asked for at once share connections, and nothing else."""

import asyncio

import psycopg
import pytest

from domain.user import USER, RegisterUser, Role
from infra.runtime import SYSTEM, Runtime
from projections import lists as lists_module
from projections.lists import MOST, Lists
from projections.read import reading, wait_for
from projections.users import UserRow, list_users

pytestmark = pytest.mark.services

DEPARTMENTS = [f"department {number}" for number in range(4 * MOST)]


async def register(runtime: Runtime, department: str) -> int:
    command = RegisterUser(
        email=f"{runtime.new_id()}@x.org",
        name="Somebody",
        role=Role.MEMBER,
        department=department,
        at=runtime.now(),
    )
    outcome = await runtime.execute(SYSTEM, USER, runtime.new_id(), command)
    assert outcome.position is not None
    return outcome.position


async def test_each_has_its_own_rows_over_few_connections(projected: Runtime) -> None:
    positions = [await register(projected, one) for one in DEPARTMENTS]
    await wait_for(projected, "queries", positions[-1])
    lists, before = Lists(projected), projected.db.get_stats()["requests_num"]
    found = await asyncio.gather(*(list_users(lists, department=one) for one in DEPARTMENTS))
    asked = projected.db.get_stats()["requests_num"] - before
    assert [[row.department for row in rows] for rows in found] == [[one] for one in DEPARTMENTS]
    assert asked <= len(DEPARTMENTS) // MOST + 1, "of the pool"
    async with reading(projected) as db:
        assert found[0] == await list_users(db, department=DEPARTMENTS[0])


async def test_one_that_fails_is_nobody_elses_trouble(projected: Runtime) -> None:
    await wait_for(projected, "queries", await register(projected, "sales"))
    lists = Lists(projected)

    async def ask(limit: int) -> list[UserRow]:
        return await list_users(lists, department="sales", limit=limit)

    for limits in ([1] * 3 + [-1] + [1] * 3, [-1], [1, 1]):  # and the connection is good afterwards
        found = await asyncio.gather(*map(ask, limits), return_exceptions=True)
        for limit, one in zip(limits, found, strict=True):
            if limit < 0:
                assert isinstance(one, psycopg.errors.InvalidRowCountInLimitClause)
            else:
                assert not isinstance(one, BaseException), one
                assert len(one) == 1


async def test_who_goes_leaves_the_others_theirs(projected: Runtime) -> None:
    await wait_for(projected, "queries", await register(projected, "sales"))
    lists = Lists(projected)
    asking = [asyncio.create_task(list_users(lists, department="sales")) for _ in range(3)]
    await asyncio.sleep(0)
    asking[1].cancel()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(found.pop(1), asyncio.CancelledError)
    assert [len(one) for one in found if not isinstance(one, BaseException)] == [1, 1]


async def test_who_asks_again_at_once_is_answered(
    projected: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As who reads page after page: what answered the last one has ended by then, or just not."""
    monkeypatch.setattr(lists_module, "AT_ONCE", 1)
    await wait_for(projected, "queries", await register(projected, "sales"))
    lists = Lists(projected)
    async with asyncio.timeout(10):
        for _ in range(3):
            assert len(await list_users(lists, department="sales")) == 1


async def test_what_must_be_new_and_what_has_words_is_read_alone(projected: Runtime) -> None:
    lists = Lists(projected)
    position = await register(projected, "sales")
    newest = lists.since(position)
    assert len(await list_users(newest, department="sales")) == 1
    assert len(await list_users(lists, search="someb")) == 1
