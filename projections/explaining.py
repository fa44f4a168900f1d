"""Why a row is as it is: the events that made it, each with the change it caused.

The events of its stream are projected one by one into empty tables that nobody else sees, with the
code that serves; what they do to the row is what each is shown with.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString, cast
from uuid import UUID

import msgspec
from psycopg import Rollback, sql

from domain.errors import Invalid, NotFound, WrongState
from domain.kernel import Event, Recorded
from domain.registry import tag_of
from infra.db import Connection
from infra.eventstore.types import MAX_READ
from infra.runtime import Runtime
from projections.apply import apply, sql_type
from projections.generations import table_statement
from projections.model import Push, Table
from projections.read import reading
from projections.step import AnyProjection

SCHEMA = "pg_temp"
MAX_CHANGES = 1_000  # newest of a row's

Shown = dict[str, Any]


class Change(msgspec.Struct, frozen=True):
    """An event, and what it made of the row: columns with their values before and after."""

    position: int
    at: datetime
    stream: UUID
    type: str
    actor: UUID | None
    before: Shown | None  # None: there was no row
    after: Shown | None  # None: it is gone


class Explanation(msgspec.Struct, frozen=True):
    """The row as it serves, None if there is none, and how it came to be, oldest first."""

    projection: str
    table: str
    row: Shown | None
    changes: list[Change]


async def explain(
    runtime: Runtime, projection: AnyProjection, key: Sequence[str], table: str | None = None
) -> Explanation:
    """`key`: the values of the table's key, as text; the first table if none is named.

    Raises Invalid for a key of another shape, NotFound, and WrongState for a read model whose rows
    hang on many streams.
    """
    if not projection.by_stream:
        raise WrongState("projection.many_streams", projection=projection.name)
    shown = _table(projection, table)
    if len(key) != len(shown.key):
        raise Invalid("projection.bad_key", columns=list(shown.key), given=len(key))
    async with reading(runtime) as db:
        row = await _row(db, shown, key)
        streams = await _streams(db, [*key, *(row or {}).values()], row or {})
    events = [one for stream in streams for one in await _events(runtime, projection, stream)]
    events.sort(key=lambda one: one.position)
    async with runtime.db.connection() as db:
        changes = await _changes(db, projection, shown, key, events)
    if row is None and not changes:
        raise NotFound("row.not_found", table=shown.name, key=list(key))
    return Explanation(projection.name, shown.name, row, changes[-MAX_CHANGES:])


def _table(projection: AnyProjection, name: str | None) -> Table:
    for table in projection.tables:
        if name is None or table.name == name:
            return table
    raise NotFound("table.not_found", projection=projection.name, table=name)


async def _row(db: Connection, table: Table, key: Sequence[str]) -> Shown | None:
    same = sql.SQL(" AND ").join(
        sql.SQL("t.{} = {}::{}").format(
            sql.Identifier(name),
            sql.Literal(value),
            sql.SQL(cast(LiteralString, sql_type(table.columns[name]))),
        )
        for name, value in zip(table.key, key, strict=True)
    )
    query = sql.SQL("SELECT to_jsonb(t) FROM {} t WHERE {}").format(
        sql.Identifier(table.name), same
    )
    row = await (await db.execute(query)).fetchone()
    return row[0] if row else None


async def _streams(db: Connection, values: Iterable[object], row: Shown) -> list[UUID]:
    """The streams that can have made the row: those it names, and that of its position."""
    streams = dict.fromkeys(one for value in values if (one := _uuid(value)) is not None)
    places = [row[name] for name in ("position", "pos") if name in row]
    cursor = await db.execute(
        "SELECT DISTINCT originator_id FROM formula_events WHERE notification_id = ANY(%s)",
        (places,),
    )
    streams |= dict.fromkeys(stream for (stream,) in await cursor.fetchall())
    return list(streams)


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


async def _events(
    runtime: Runtime, projection: AnyProjection, stream: UUID
) -> list[Recorded[Event]]:
    found: list[Recorded[Event]] = []
    after = 0
    while batch := await runtime.store.read_stream(stream, after, MAX_READ):
        found += [one for one in batch if isinstance(one.event, projection.events)]
        after = batch[-1].version
    return found


async def _changes(
    db: Connection,
    projection: AnyProjection,
    table: Table,
    key: Sequence[str],
    events: Sequence[Recorded[Event]],
) -> list[Change]:
    """In a transaction that is rolled back."""
    changes: list[Change] = []
    async with db.transaction() as transaction:
        await db.execute("SET LOCAL search_path = pg_temp, public")
        for one in projection.tables:
            await db.execute(table_statement(SCHEMA, one))
        before: Shown | None = None
        for one in events:
            writes = projection.project([one])
            await apply(db, [write for write in writes if not isinstance(write, Push)])
            after = await _row(db, table, key)
            if after != before:
                changes.append(_change(one, before, after))
            before = after
        raise Rollback(transaction)
    return changes


def _change(one: Recorded[Event], before: Shown | None, after: Shown | None) -> Change:
    names = [*(after or before or {})]
    changed = [name for name in names if (before or {}).get(name) != (after or {}).get(name)]
    return Change(
        position=one.position,
        at=one.at,
        stream=one.stream,
        type=tag_of(type(one.event)),
        actor=one.meta.actor,
        before=None if before is None else {name: before[name] for name in changed},
        after=None if after is None else {name: after[name] for name in changed},
    )
