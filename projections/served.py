"""How a line of projections/indexes.py is written: an index, and a query that goes by it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import LiteralString, TypeAlias
from uuid import UUID

import msgspec

from infra.db import Connection

Query: TypeAlias = Callable[[Connection], Awaitable[object]]

# What the queries ask for.
ID = UUID(int=7)
AT = datetime(2030, 1, 2, tzinfo=UTC)
DAY, NEXT = date(2030, 2, 1), date(2030, 2, 3)


class Served(msgspec.Struct, frozen=True):
    """An index by its name, what it is for, and a query that goes by it."""

    index: str
    about: str
    query: Query


def sql(statement: LiteralString, **values: object) -> Query:
    """What no query function asks: references looked up, and what analysts are given views for."""

    async def ask(db: Connection) -> object:
        return await (await db.execute(statement, {"id": ID, "at": AT, **values})).fetchall()

    return ask


def of(table: LiteralString, column: LiteralString, order: LiteralString) -> Query:
    """The rows that refer to a record, newest first."""
    return sql(
        f"SELECT * FROM {table} WHERE {column} = %(id)s ORDER BY {order} DESC LIMIT 50"  # noqa: S608
    )
