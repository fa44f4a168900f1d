"""Whatever the audit is asked for, Postgres reads an index in the order of positions, so far."""

import re
from collections.abc import AsyncIterator
from itertools import combinations
from uuid import UUID

import psycopg
import pytest

from infra.db import Connection
from infra.settings import Settings
from projections.audit import AUDIT, PROJECTION
from projections.audit_list import LEADS, LOOKED, statement
from projections.generations import index, table_statement

pytestmark = pytest.mark.services

ROWS = 100_000
SORT = re.compile(r"Sort  \(.* rows=(\d+) ")
SORTED = 5 * LOOKED  # rows: where a value has no more than that, sorting them costs no more

# A few actors and types, many records; every hundredth event has a rare word.
LOAD = """
INSERT INTO audit (position, at, actor, command, aggregate, subject, version, type, project, ip,
    user_agent, data, causation, words)
SELECT n, timestamptz '2030-01-01' + n * interval '1 second', lpad((n %% 500)::text, 32, '0')::uuid,
    'c', 'a' || n %% 10, lpad((n %% 20000)::text, 32, '0')::uuid, 1, 't' || n %% 40,
    lpad((n %% 50)::text, 32, '0')::uuid, '', '', '{}',
    CASE WHEN n %% 10 = 0 THEN (n - 1)::text END,
    CASE WHEN n %% 100 = 0 THEN 'rare' || n / 100 || ' common' END
FROM generate_series(1, %(rows)s) n
"""
VALUES: dict[str, object] = {
    "search": "rare7",
    "subject": UUID(int=7),
    "actor": UUID(int=7),
    "project": UUID(int=7),
    "type": "t7",
    "aggregate": "a7",
    "above": 0,
    "below": ROWS,
    "limit": 51,
    "looked": LOOKED,
}
BOUNDED = [name for name in LEADS if name != "search"]
COMBINATIONS = [given for size in range(len(BOUNDED) + 1) for given in combinations(BOUNDED, size)]


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection[object].connect(
        settings.database_url, autocommit=True
    ) as connection:
        await connection.execute("CREATE SCHEMA reads")
        await connection.execute("SET search_path = reads, public")
        await connection.execute(table_statement("reads", AUDIT))
        await connection.execute(LOAD, {"rows": ROWS})
        await index(connection, "reads", PROJECTION)
        await connection.execute("VACUUM ANALYZE audit")
        yield connection


async def plan(db: Connection, given: tuple[str, ...], *, newest_first: bool) -> str:
    query = "EXPLAIN " + statement(given, newest_first=newest_first)
    cursor = await db.execute(query, VALUES)
    return "\n".join(line for (line,) in await cursor.fetchall())


async def test_every_combination_of_filters_reads_an_index_in_order(db: Connection) -> None:
    assert len(COMBINATIONS) == 32
    for given in COMBINATIONS:
        for newest_first in (True, False):
            shown = await plan(db, given, newest_first=newest_first)
            assert re.search("Index (Only )?Scan", shown), (given, shown)
            assert all(int(rows) < SORTED for rows in SORT.findall(shown)), (given, shown)
            assert "Seq Scan" not in shown, (given, shown)


async def test_a_record_and_a_word_are_found_by_their_index(db: Connection) -> None:
    assert "audit_subject_position_idx" in await plan(db, ("subject", "type"), newest_first=True)
    assert "Bitmap Index Scan" in await plan(db, ("search",), newest_first=True)
    assert "Seq Scan" not in await plan(db, ("search", "project"), newest_first=True)
