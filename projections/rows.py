"""Rows of read tables: JSON text going in, Structs coming out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import LiteralString, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET
from psycopg import AsyncConnection
from psycopg.rows import class_row

from domain.kernel import Event
from infra.db import Connection

# Where the first page of a list starts: before every key there is.
FIRST_ID = UUID(int=0)
FIRST_NAME = ("", FIRST_ID)
NEWEST = (datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))
NEWEST_POSITION = 2**63 - 1

R = TypeVar("R")


def json_text(value: object) -> str:
    """What a jsonb column is written with."""
    return msgspec.json.encode(value).decode()


def event_text(event: Event) -> str:
    """An event's own fields for a jsonb column; what it leaves UNSET is left out."""
    fields = msgspec.structs.asdict(event)
    return json_text({name: value for name, value in fields.items() if value is not UNSET})


class Source(ABC):
    """Where a list is fetched from, if it is not a connection of one's own."""

    @abstractmethod
    async def fetch(
        self, row: type[R], statement: LiteralString, values: Mapping[str, object]
    ) -> list[R]:
        """As fetch_all does."""


async def fetch_all(
    db: Connection | Source,
    row: type[R],
    statement: LiteralString,
    values: Mapping[str, object],
) -> list[R]:
    """The rows in the statement's order.

    Never prepared: optional filters and keysets want a plan made for their values.
    """
    if not isinstance(db, AsyncConnection):
        return await db.fetch(row, statement, values)
    async with db.cursor(row_factory=class_row(row)) as cursor:
        await cursor.execute(statement, values, prepare=False)
        return await cursor.fetchall()


async def fetch_named(
    db: Connection, row: type[R], statement: LiteralString, ids: Sequence[UUID]
) -> list[R]:
    """The rows that these keys name."""
    async with db.cursor(row_factory=class_row(row), binary=True) as cursor:
        await cursor.execute(statement, {"ids": list(ids)}, prepare=True)
        return await cursor.fetchall()


async def fetch_one(
    db: Connection, row: type[R], statement: LiteralString, values: Mapping[str, object]
) -> R | None:
    """The row that a key names."""
    async with db.cursor(row_factory=class_row(row)) as cursor:
        await cursor.execute(statement, values, prepare=True)
        return await cursor.fetchone()
