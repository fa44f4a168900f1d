"""Every index is used by the query it is there for, and what refers to a record has one."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import psycopg
import pytest

from infra.db import Connection
from infra.settings import Settings
from projections.indexes import INDEXES
from projections.registry import PROJECTIONS
from projections.served import Served
from tests.conftest import TEMPLATE
from tests.databases import Databases
from tests.projections.loaded import loaded, make

pytestmark = pytest.mark.services

# These tables stay small: their indexes keep what is unique so.
SMALL = frozenset(
    {
        "alerts",  # one for each rule
        "formula_checkpoints",
        "formula_epoch",
        "formula_generations",
        "formula_keys",
        "formula_migrations",
        "formula_motion_events",  # read by position, all of it or a project's
        "formula_nodes",
        "formula_log_levels",
        "formula_pruned",
        "formula_queues",
        "formula_readers",
        "formula_rollups_1d",  # these and samples: read by metric and time, a partition or two
        "formula_rollups_1h",
        "formula_rollups_1m",
        "formula_samples",
        "formula_schedules",
        "formula_skipped_events",
        "formula_slices",
        "formula_system_days",
        "formula_uploads",
        "silences",  # placed by hand
    }
)

# Columns with ids that are nobody's to be looked up by.
NOT_LOOKED_UP: Mapping[str, str] = {
    "alerts.acknowledged_by": "a person's doings are found by the audit",
    "alert_history.by": "a person's doings are found by the audit",
    "silences.placed_by": "a person's doings are found by the audit",
    "silences.ended_by": "a person's doings are found by the audit",
    "members.connection": "a socket, which ends with its member",
    "lock_waiters.participation": "with the lock it waits for",
    "lock_waiters.waiter": "with the lock they wait for",
    "documents.created_by": "a person's doings are found by activity",
    "documents.changed_by": "a person's doings are found by activity",
    "document_fields.changed_by": "a person's doings are found by activity",
    "files.created_by": "a person's doings are found by activity",
    "files.changed_by": "a person's doings are found by activity",
    "receipts.project": "whose receipts are found by their rooms",
    "reactions.target": "one of a task's",
    "reactions.user_id": "a person's doings are found by the audit",
    "activity.task": "the subject, where that is a task",
    "audit.command_id": "found by the log's own index",
    "audit.correlation_id": "a request, which is no record",
    "timeline_streams.project": "the timeline itself is kept by project",
}

ALL = """
SELECT c.relname AS index, t.relname AS table, a.attname AS first
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
WHERE t.relnamespace IN ('reads'::regnamespace, 'public'::regnamespace) AND t.relkind IN ('r', 'p')
    AND NOT t.relispartition ORDER BY 1
"""


class Noting(psycopg.AsyncCursor[Any]):
    """Keeps what is asked, to be explained."""

    asked: ClassVar[list[tuple[Any, Any]]] = []

    async def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        self.asked.append((query, params))
        return await super().execute(query, params, **options)


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[Connection]:
    connect = psycopg.AsyncConnection[Any].connect
    async with await connect(url, autocommit=True, cursor_factory=Noting) as connection:
        await connection.execute("SET search_path = reads, public")
        yield connection


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Connection]:
    """The tables and their indexes, without a row."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        make(connection)
    async with connected(settings.database_url) as connection:
        yield connection


@pytest.mark.timeout(300)  # to load it is most of it
async def test_every_query_goes_by_its_index(databases: Databases) -> None:
    with loaded(databases, TEMPLATE) as url:
        async with connected(url) as db:
            ways = {served.index: await used(db, served) for served in INDEXES}
    assert {index: way for index, way in ways.items() if index not in way} == {}


async def used(db: Connection, served: Served) -> set[str]:
    """The indexes that the query reads."""
    Noting.asked.clear()
    await served.query(db)
    plans = [await plan(db, *asked) for asked in list(Noting.asked)]
    return {index for one in plans for index in indexes(one)}


async def plan(db: Connection, statement: str, values: Any) -> Any:
    explain = "EXPLAIN (FORMAT JSON) " + statement
    row = await (await db.execute(explain.encode(), values, prepare=False)).fetchone()
    assert row is not None
    return row[0][0]["Plan"]


def indexes(node: dict[str, Any]) -> list[str]:
    """The names of those that a plan reads."""
    mine = [node["Index Name"]] if "Index Name" in node else []
    return mine + [name for child in node.get("Plans", ()) for name in indexes(child)]


async def test_every_index_has_its_line(db: Connection) -> None:
    rows = await (await db.execute(ALL)).fetchall()
    there = [index for index, table, _ in rows if table not in SMALL]
    assert sorted(served.index for served in INDEXES) == there
    assert len(there) >= 40


async def test_every_reference_to_a_record_begins_an_index(db: Connection) -> None:
    begins = {(table, first) for _, table, first in await (await db.execute(ALL)).fetchall()}
    tables = [table for projection in PROJECTIONS for table in projection.tables]
    references = {
        (table.name, column)
        for table in tables
        for column, kind in table.columns.items()
        if kind.startswith("uuid") and column != "id" and (column,) != table.key
    }
    exempt = {tuple(name.split(".")) for name in NOT_LOOKED_UP}
    assert references - begins == exempt
