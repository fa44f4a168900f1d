"""Writes to SQL: one statement over arrays for each table and set of columns."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import count
from typing import LiteralString, cast

import msgspec
from psycopg import adapters, sql
from psycopg.adapt import Dumper
from psycopg.pq import Format

from infra.db import Connection
from infra.eventstore.binary import PACKS, array, column, copied
from infra.pipelined import Piece
from projections.model import Delete, Insert, Push, Row, Sql, Table, Upsert, Write


class Query(msgspec.Struct, frozen=True):
    """A statement for psycopg; and as libpq takes it, with $1 for the first %s."""

    text: LiteralString | sql.Composed
    numbered: bytes


class Statement(msgspec.Struct, frozen=True):
    """A statement and its values; or a COPY with its rows written down."""

    query: Query | LiteralString | sql.Composed
    values: Sequence[object] | Mapping[str, object] = ()
    rows: bytes | None = None

    @property
    def text(self) -> LiteralString | sql.Composed:
        """As psycopg takes it."""
        return self.query.text if isinstance(self.query, Query) else self.query


def query(composed: sql.Composed) -> Query:
    first, *rest = composed.as_string(None).split("%s")
    return Query(composed, "".join([first, *map("${}{}".format, count(1), rest)]).encode())


def calling(function: LiteralString, *kinds: LiteralString) -> Query:
    """A statement that calls a function with values of these types."""
    values = sql.SQL(", ").join(sql.SQL(f"%s::{kind}") for kind in kinds)
    return query(sql.SQL("SELECT {}({})").format(sql.Identifier(function), values))


def pieces(statements: Iterable[Statement]) -> list[Piece] | None:
    """The statements as libpq takes them; None if psycopg must adapt values of one."""
    taken: list[Piece] = []
    for one in statements:
        if not isinstance(one.query, Query):
            return None
        values = [value.data for value in one.values if isinstance(value, Packed)]
        if len(values) < len(one.values):
            return None
        taken.append((one.query.numbered, values))
    return taken


async def apply(connection: Connection, writes: Iterable[Write]) -> None:
    """Run the writes in order, inside the caller's transaction. Push is the projector's to send."""
    await send(connection, statements(writes))


async def send(connection: Connection, statements: Iterable[Statement]) -> None:
    """Run them in order, inside the caller's transaction; a COPY never in a pipeline."""
    for one in statements:
        if one.rows is None:
            prepare = isinstance(one.query, Query) or None
            await connection.execute(one.text, one.values, prepare=prepare)
            continue
        async with connection.cursor() as cursor, cursor.copy(one.text) as copying:
            await copying.write(one.rows)


def statements(writes: Iterable[Write], *, bulk: bool = False) -> list[Statement]:
    """The writes as Postgres takes them. `bulk`: new rows by COPY, which suits large batches."""
    return [statement for write in writes for statement in _statements(write, bulk=bulk)]


def _statements(write: Write, *, bulk: bool) -> Iterable[Statement]:
    match write:
        case Insert(table=table, rows=rows):
            return _copy(table, rows) if bulk else _each_shape(table, rows, insert_statement)
        case Upsert(table=table, rows=rows, newest=newest):
            return _upsert(table, rows, newest)
        case Delete(table=table, keys=keys, columns=columns):
            return [_delete(table, keys, columns or table.key)]
        case Sql(statement=statement, values=values):
            return [Statement(cast(LiteralString, statement), values)]  # the module's own
        case Push():
            return []


def _copy(table: Table, rows: Sequence[Row]) -> Iterable[Statement]:
    """New rows name every column; a column of a type that is not in PACKS goes by arrays."""
    kinds = {name: sql_type(declared) for name, declared in table.columns.items()}
    if not rows or not all(kind in PACKS for kind in kinds.values()):
        return _each_shape(table, rows, insert_statement)
    columns = [column(PACKS[kind][1], [row[name] for row in rows]) for name, kind in kinds.items()]
    return [Statement(copy_statement(table.name, tuple(kinds)), rows=copied(columns))]


class Packed:
    """A value that is written down already: psycopg does arrays element by element in Python."""

    def __init__(self, data: bytes) -> None:
        self.data = data


def packed(kind: str, value: object) -> Packed:
    """A value that is not null, for a statement that casts it to its kind."""
    return Packed(PACKS[kind][1](value)[4:])


class _PackedDumper(Dumper):
    """Its type is what the statement casts it to."""

    format = Format.BINARY

    def dump(self, obj: Packed) -> bytes:
        return obj.data


adapters.register_dumper(Packed, _PackedDumper)


def _packed(kind: str, values: Sequence[object]) -> Packed | Sequence[object]:
    pack = PACKS.get(kind)
    if pack is None:
        return values
    return Packed(array(pack[0], column(pack[1], values), nulls=None in values))


def _upsert(table: Table, rows: Sequence[Row], newest: str) -> Iterable[Statement]:
    whole = [row for row in rows if len(row) == len(table.columns)]
    changes = [row for row in rows if len(row) < len(table.columns)]
    yield from _each_shape(table, whole, partial(upsert_statement, newest=newest))
    yield from _each_shape(table, changes, update_statement)


def _each_shape(
    table: Table,
    rows: Sequence[Row],
    statement: Callable[[str, tuple[tuple[str, str], ...], tuple[str, ...]], Query],
) -> Iterable[Statement]:
    """One statement for all rows that name the same columns."""
    orders: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        orders.setdefault(tuple(row), []).append(row)
    shapes: dict[tuple[str, ...], list[Row]] = {}
    for order, alike in orders.items():
        shapes.setdefault(tuple(n for n in table.columns if n in order), []).extend(alike)
    for names, alike in shapes.items():
        columns = tuple((name, sql_type(table.columns[name])) for name in names)
        values = [_packed(kind, [row[name] for row in alike]) for name, kind in columns]
        yield Statement(statement(table.name, columns, table.key), values)


def _delete(table: Table, keys: Sequence[tuple[object, ...]], names: tuple[str, ...]) -> Statement:
    columns = tuple((name, sql_type(table.columns[name])) for name in names)
    values = [
        _packed(kind, [key[place] for key in keys]) for place, (_, kind) in enumerate(columns)
    ]
    return Statement(delete_statement(table.name, columns), values)


def sql_type(declaration: str) -> str:
    """The type in a column's declaration: `text NOT NULL` is `text`."""
    words = declaration.split()
    kept: list[str] = []
    for word in words:
        if word.upper() in {"NOT", "NULL", "DEFAULT", "GENERATED", "CHECK", "COLLATE"}:
            break
        kept.append(word)
    return " ".join(kept)


Columns = tuple[tuple[str, str], ...]


@lru_cache(maxsize=512)
def copy_statement(table: str, columns: tuple[str, ...]) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )


@lru_cache(maxsize=512)
def insert_statement(table: str, columns: Columns, _key: tuple[str, ...]) -> Query:
    return query(_insert(table, columns))


def _insert(table: str, columns: Columns) -> sql.Composed:
    return sql.SQL("INSERT INTO {} ({}) SELECT * FROM {}").format(
        sql.Identifier(table), _names(columns), _unnest(columns)
    )


@lru_cache(maxsize=512)
def upsert_statement(table: str, columns: Columns, key: tuple[str, ...], newest: str = "") -> Query:
    insert = _insert(table, columns)
    others = [name for name, _ in columns if name not in key]
    keys = sql.SQL(", ").join(map(sql.Identifier, key))
    if not others:
        return query(insert + sql.SQL(" ON CONFLICT ({}) DO NOTHING").format(keys))
    changes = sql.SQL(", ").join(
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in others
    )
    update = sql.SQL(" ON CONFLICT ({}) DO UPDATE SET {}").format(keys, changes)
    if newest:
        update += sql.SQL(" WHERE {0}.{1} < excluded.{1}").format(
            sql.Identifier(table), sql.Identifier(newest)
        )
    return query(insert + update)


@lru_cache(maxsize=512)
def update_statement(table: str, columns: Columns, key: tuple[str, ...]) -> Query:
    changes = sql.SQL(", ").join(
        sql.SQL("{0} = v.{0}").format(sql.Identifier(name))
        for name, _ in columns
        if name not in key
    )
    return query(
        sql.SQL("UPDATE {} t SET {} FROM {} v ({}) WHERE {}").format(
            sql.Identifier(table), changes, _unnest(columns), _names(columns), _same(key)
        )
    )


@lru_cache(maxsize=512)
def delete_statement(table: str, columns: Columns) -> Query:
    return query(
        sql.SQL("DELETE FROM {} t USING {} v ({}) WHERE {}").format(
            sql.Identifier(table),
            _unnest(columns),
            _names(columns),
            _same(tuple(name for name, _ in columns)),
        )
    )


def _names(columns: Columns) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns)


def _unnest(columns: Columns) -> sql.Composed:
    arrays = sql.SQL(", ").join(
        sql.SQL("%s::{}[]").format(sql.SQL(cast(LiteralString, kind))) for _, kind in columns
    )
    return sql.SQL("unnest({})").format(arrays)


def _same(names: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("t.{0} = v.{0}").format(sql.Identifier(name)) for name in names
    )
