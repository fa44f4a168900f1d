"""What Postgres's statistics tell of the indexes, and that they are refreshed."""

import asyncio

import msgspec

from domain.user import Role
from infra.db import Connection
from infra.runtime import Runtime
from projections.index_use import IndexUse, ReadWhole, index_use, refresh_statistics
from projections.read import reading
from projections.users import list_users
from tests.integration.command import formula

MANY = """
INSERT INTO users SELECT gen_random_uuid(), 'e' || n, 'n' || n,
    CASE WHEN n %% 1000 = 0 THEN 'guest' ELSE 'member' END, '', 'active', false, now(), 1, n
FROM generate_series(1, %(rows)s) n
"""


async def grow(runtime: Runtime, rows: int) -> None:
    async with reading(runtime) as db:
        await db.execute(MANY, {"rows": rows})
        await flush(db)


async def flush(db: Connection) -> None:
    """A session tells of what it did once a second, or when asked to."""
    await db.execute("SELECT pg_stat_force_next_flush()")


async def of(db: Connection, index: str) -> IndexUse:
    await flush(db)
    return next(one for one in (await index_use(db)).indexes if one.index == index)


async def rows_known(db: Connection, schema: str, table: str) -> float:
    cursor = await db.execute(
        "SELECT reltuples FROM pg_class WHERE oid = to_regclass(%s)", (f"{schema}.{table}",)
    )
    row = await cursor.fetchone()
    assert row is not None
    return row[0]


async def test_use_is_counted_and_what_is_not_used_is_named(projected: Runtime) -> None:
    await grow(projected, 20_000)
    await refresh_statistics(projected.settings.database_url)
    async with reading(projected) as db:
        before = await of(db, "users_role_name_id_idx")
        assert before.unused
        assert before.serves == "of a role"
        assert before.columns == "btree (role, name, id)"
        assert before.bytes > 0
        await list_users(db, role=Role.GUEST)
        after = await of(db, "users_role_name_id_idx")
        assert (after.scans, after.unused) == (before.scans + 1, False)
        found = await index_use(db)
        assert "users_department_name_id_idx" in found.unused
        assert not any(name.endswith("_pkey") for name in found.unused)
        assert found.missing == []
        await db.execute("DROP INDEX users_role_name_id_idx")
        assert (await index_use(db)).missing == ["users_role_name_id_idx"]


async def test_a_large_table_that_is_read_whole_is_told_of(projected: Runtime) -> None:
    await grow(projected, 20_000)
    whole: dict[str, ReadWhole] = {}
    async with asyncio.timeout(30), reading(projected) as db:
        while "users" not in whole:  # statistics come late, and scans of the empty table count
            await db.execute("SELECT count(*) FROM users WHERE version > 1")
            await flush(db)
            whole = {one.table: one for one in (await index_use(db)).read_whole}
    assert whole["users"].scans >= 1
    assert whole["users"].rows_read >= 20_000


async def test_statistics_follow_what_serves(projected: Runtime) -> None:
    await grow(projected, 500)
    async with reading(projected) as db:
        schema = (await of(db, "users_pkey")).schema
        await refresh_statistics(projected.settings.database_url)
        assert await rows_known(db, schema, "users") == 500


async def test_the_command_prints_them(projected: Runtime) -> None:
    code, out, err = await formula(projected, "db", "indexes", "--json")
    assert (code, err) == (0, "")
    found = msgspec.json.decode(out)
    assert found["missing"] == []
    assert {"tasks_pkey", "formula_events_pkey"} <= {one["index"] for one in found["indexes"]}
    code, out, err = await formula(projected, "db", "indexes")
    assert (code, err) == (0, "")
    assert "missing: none" in out
