"""Indexes that are mostly empty are built anew, and what is doubled is told of."""

from domain.job_args import Optimise, RefreshStatistics
from infra.db import Connection, connect
from infra.runtime import Runtime
from projections.index_care import bloated, duplicates, rebuild
from projections.index_use import IndexUse, index_use, refresh_statistics
from projections.read import reading
from tests.integration.test_index_use import flush, grow
from tests.workers.office import Office, working
from workers.optimise import SESSION, Optimised
from workers.refresh_statistics import Refreshed

LEAST = 2**18  # bytes


async def empty(runtime: Runtime, rows: int = 30_000) -> None:
    """A table of users that is as good as empty, with the indexes of a full one."""
    await grow(runtime, rows)
    async with reading(runtime) as db:
        await db.execute("DELETE FROM users WHERE version < %s", (rows * 95 // 100,))
        await db.execute("VACUUM users")
    await refresh_statistics(runtime.settings.database_url)


async def names(db: Connection) -> set[str]:
    return {one.index for one in await bloated(db, LEAST)}


async def test_a_full_index_is_not_taken_for_a_bloated_one(projected: Runtime) -> None:
    await grow(projected, 30_000)
    await refresh_statistics(projected.settings.database_url)
    async with reading(projected) as db:
        assert await names(db) == set()


async def test_a_bloated_index_is_built_anew_while_it_is_used(projected: Runtime) -> None:
    await empty(projected)
    async with await connect(projected.settings.database_url, options=SESSION) as db:
        found = await bloated(db, LEAST)
        assert {"users_pkey", "users_role_name_id_idx"} <= {one.index for one in found}
        done = {one.index: size async for one, size in rebuild(db, found)}
        assert all(size is not None and size < LEAST for size in done.values())
        assert await names(db) == set()


async def test_one_that_somebody_holds_waits_for_another_time(projected: Runtime) -> None:
    """And what its rebuild left is removed: else each write would keep it up to date."""
    await empty(projected)
    url = projected.settings.database_url
    async with (
        await connect(url, options="-c lock_timeout=300ms") as db,
        reading(projected) as holder,
    ):
        found = [one for one in await bloated(db, LEAST) if one.index == "users_pkey"]
        async with holder.transaction():
            await holder.execute("INSERT INTO users SELECT * FROM users WHERE false")
            assert [size async for _, size in rebuild(db, found)] == [None]
        assert await left(db)
        assert [size is not None async for _, size in rebuild(db, found)] == [True]
        assert not await left(db)


async def left(db: Connection) -> list[str]:
    cursor = await db.execute(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
    )
    return [name for (name,) in await cursor.fetchall()]


async def test_doubled_indexes_are_named_the_unique_one_first(projected: Runtime) -> None:
    async with reading(projected) as db:
        await db.execute("CREATE INDEX twice ON users (id)")
        assert ["users_pkey", "twice"] in duplicates((await index_use(db)).indexes)


def test_the_same_columns_of_two_tables_are_no_double() -> None:
    one = IndexUse("a", "s", "t", "btree (id)", 1, 0, None, unique=False, serves="")
    assert duplicates([one, IndexUse("b", "s", "u", "btree (id)", 1, 0, None, False, "")]) == []


async def test_the_jobs_say_what_they_did(projected: Runtime) -> None:
    await grow(projected, 60_000)
    async with reading(projected) as db:
        await db.execute("ALTER TABLE users SET (autovacuum_enabled = off)")
        await db.execute("DELETE FROM users WHERE version < 50000")
        await flush(db)
    async with working(projected.settings):
        office = Office(projected)
        refreshed = await office.done(RefreshStatistics(), Refreshed)
        optimised = await office.done(Optimise(), Optimised)
    assert refreshed.tables >= 1
    assert [name for name in refreshed.vacuum if name.endswith(".users")]
    assert (optimised.rebuilt, optimised.missing, optimised.freed_bytes) == ([], [], 0)
    assert "users_department_name_id_idx" in optimised.unused
