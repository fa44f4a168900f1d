"""Why a row is as it is: the events that made it, each with the change it caused.

The events of its stream are projected one by one into empty tables that nobody else sees, with the
code that serves; what they do to the row is what each is shown with. Those that the read model goes
without are left out here too, and said so.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Literal, LiteralString, TypeAlias, cast
from uuid import UUID

import msgspec
import psycopg
from psycopg import Rollback, sql

from domain.errors import Invalid, NotFound
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
MAX_CHANGES = 1_000  # events that are shown one by one, the newest

Shown = dict[str, Any]
Why: TypeAlias = Literal["skipped", "held", "fails"]

LETTERS = """
SELECT d.position, 'held' FROM formula_dead_letters d JOIN formula_generations g
    ON g.schema = d.generation AND g.state = 'serving' WHERE d.projection = %(projection)s
UNION ALL
SELECT position, 'skipped' FROM formula_skipped_events WHERE projection = %(projection)s
"""


class Change(msgspec.Struct, frozen=True):
    """An event, and what it made of the row: columns with their values before and after."""

    position: int
    at: datetime
    stream: UUID
    type: str
    actor: UUID | None
    before: Shown | None  # None: there was no row
    after: Shown | None  # None: it is gone


class LeftOut(msgspec.Struct, frozen=True):
    """An event that is not in the row: operators skipped it, or a dead letter holds it back.

    `fails`: it cannot be projected; a read model of the rooms has passed over it.
    """

    position: int
    stream: UUID
    type: str
    why: Why


class Explanation(msgspec.Struct, frozen=True):
    """The row as it serves, None if there is none, and how it came to be, oldest first.

    `earlier`: events before those that are shown one by one.
    """

    projection: str
    table: str
    row: Shown | None
    changes: list[Change]
    left_out: list[LeftOut] = []
    earlier: int = 0


async def explain(
    runtime: Runtime, projection: AnyProjection, key: Sequence[str], table: str | None = None
) -> Explanation:
    """`key`: the values of the table's key, as text; the first table if none is named.

    A row that hangs on many streams is explained by the event at its position alone.

    Raises Invalid for a key of another shape, and NotFound.
    """
    shown = _table(projection, table)
    if len(key) != len(shown.key):
        raise Invalid("projection.bad_key", columns=list(shown.key), given=len(key))
    async with reading(runtime) as db:
        row = await _row(db, shown, key)
        sources = await _sources(db, [*key, *(row or {}).values()], row or {})
        letters = await _letters(db, projection.name)
    if not projection.by_stream:
        found = Explanation(projection.name, shown.name, row, await _made(runtime, row))
    else:
        async with runtime.db.connection() as db, _scratch(db, projection):
            trial = Trial(db, projection, shown, key, letters)
            found = await _tried(runtime, trial, sources, row)
    if row is None and not found.changes:
        raise NotFound("row.not_found", table=shown.name, key=list(key))
    return found


async def _made(runtime: Runtime, row: Shown | None) -> list[Change]:
    """The event that a row of many streams names as its position."""
    if row is None:
        return []
    made = await runtime.store.read(row["pos"] - 1, 1)
    return [_change(one, None, row) for one in made if one.position == row["pos"]]


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


async def _sources(db: Connection, values: Iterable[object], row: Shown) -> list[UUID]:
    """The streams that can have made the row: those it names, and that of its position."""
    streams = dict.fromkeys(one for value in values if (one := _uuid(value)) is not None)
    places = [row[name] for name in ("position", "pos") if name in row]
    cursor = await db.execute(
        "SELECT DISTINCT originator_id FROM formula_events WHERE notification_id = ANY(%s)",
        (places,),
    )
    streams |= dict.fromkeys(stream for (stream,) in await cursor.fetchall())
    return list(streams)


async def _letters(db: Connection, projection: str) -> dict[int, Why]:
    """The events that the serving generation goes without, by position."""
    cursor = await db.execute(LETTERS, {"projection": projection})
    return dict(await cursor.fetchall())


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


class Trial:
    """Projects events one after the other, and notes what each made of the row."""

    def __init__(
        self,
        db: Connection,
        projection: AnyProjection,
        table: Table,
        key: Sequence[str],
        letters: Mapping[int, Why],
    ) -> None:
        self.projection = projection
        self.table = table
        self.changes: list[Change] = []
        self.left_out: list[LeftOut] = []
        self._db, self._key, self._letters = db, key, letters
        self._before: Shown | None = None

    async def together(self, events: Sequence[Recorded[Event]]) -> None:
        """What is too old to be shown one by one."""
        events = [one for one in events if one.position not in self._letters]
        if not await self._apply(events):
            for one in events:
                await self._apply([one])
        self._before = await _row(self._db, self.table, self._key)

    async def alone(self, one: Recorded[Event]) -> None:
        why = self._letters.get(one.position) or (None if await self._apply([one]) else "fails")
        if why is not None:
            kind = tag_of(type(one.event))
            self.left_out.append(LeftOut(one.position, one.stream, kind, why))
            return
        after = await _row(self._db, self.table, self._key)
        if after != self._before:
            self.changes.append(_change(one, self._before, after))
        self._before = after

    async def _apply(self, events: Sequence[Recorded[Event]]) -> bool:
        try:
            async with self._db.transaction():
                writes = self.projection.project(events) if events else []
                await apply(self._db, [one for one in writes if not isinstance(one, Push)])
        except psycopg.OperationalError:
            raise
        except Exception:  # noqa: BLE001, the event at fault is left out, as it was by the projector
            return False
        return True


async def _tried(
    runtime: Runtime, trial: Trial, sources: Sequence[UUID], row: Shown | None
) -> Explanation:
    """The newest MAX_CHANGES events one by one, those before them page by page."""
    recent: list[Recorded[Event]] = []
    after = earlier = 0
    types = trial.projection.tags
    while batch := await runtime.store.read(after, MAX_READ, streams=sources, types=types):
        after = batch[-1].position
        recent += batch
        old, recent = recent[:-MAX_CHANGES], recent[-MAX_CHANGES:]
        if old:
            earlier += len(old)
            await trial.together(old)
    for one in recent:
        await trial.alone(one)
    name, table = trial.projection.name, trial.table.name
    return Explanation(name, table, row, trial.changes, trial.left_out, earlier)


@asynccontextmanager
async def _scratch(db: Connection, projection: AnyProjection) -> AsyncGenerator[None]:
    """Empty tables of the read model, in a transaction that is rolled back."""
    async with db.transaction() as transaction:
        await db.execute("SET LOCAL search_path = pg_temp, public")
        for one in projection.tables:
            await db.execute(table_statement(SCHEMA, one))
        yield
        raise Rollback(transaction)


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
