"""The tables of all read models, without an index and without a row."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from infra.db import Connection
from infra.settings import Settings
from projections.generations import table_statement
from projections.registry import PROJECTIONS


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Connection]:
    """A connection to a database that has the tables of all read models."""
    async with await psycopg.AsyncConnection[object].connect(
        settings.database_url, autocommit=True
    ) as connection:
        await connection.execute("CREATE SCHEMA reads")
        await connection.execute("SET search_path = reads, public")
        for table in (table for projection in PROJECTIONS for table in projection.tables):
            await connection.execute(table_statement("reads", table))
        yield connection
