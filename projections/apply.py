"""Writes to SQL: one statement over arrays for each table and set of columns."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import LiteralString, cast

from psycopg import adapters, sql
from psycopg.adapt import Dumper
from psycopg.pq import Format

from infra.db import Connection
from infra.eventstore.binary import PACKS, array, column, copied
from projections.model import Delete, Insert, Push, Row, Sql, Table, Upsert, Write


async def apply(connection: Connection, writes: Iterable[Write]) -> None:
    """Run the writes in order, inside the caller's transaction. Push is the projector's to send."""
    for write in writes:
        match write:
            case Insert(table=table, rows=rows):
                await _each_shape(connection, table, rows, insert_statement)
            case Upsert(table=table, rows=rows):
                await _upsert(connection, table, rows)
            case Delete(table=table, keys=keys, columns=columns):
                await _delete(connection, table, keys, columns or table.key)
            case Sql(statement=statement, values=values):
                await connection.execute(cast(LiteralString, statement), values)  # the module's own
            case Push():
                continue


async def copy(connection: Connection, writes: Iterable[Write]) -> None:
    """The same with COPY for new rows: for large batches, and never in a pipeline."""
    for write in writes:
        match write:
            case Insert(table=table, rows=rows) if rows:
                await _copy(connection, table, rows)
            case _:
                await apply(connection, [write])


async def _copy(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """New rows name every column; a column of a type that is not in PACKS goes by arrays."""
    kinds = {name: sql_type(declared) for name, declared in table.columns.items()}
    if not all(kind in PACKS for kind in kinds.values()):
        await apply(connection, [Insert(table, rows)])
        return
    names = sql.SQL(", ").join(map(sql.Identifier, kinds))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(table.name), names
    )
    columns = [column(PACKS[kind][1], [row[name] for row in rows]) for name, kind in kinds.items()]
    async with connection.cursor() as cursor, cursor.copy(statement) as copying:
        await copying.write(copied(columns))


class Packed:
    """An array that is written down already: psycopg does it element by element in Python."""

    def __init__(self, data: bytes) -> None:
        self.data = data


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


async def _upsert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    whole = [row for row in rows if len(row) == len(table.columns)]
    partial = [row for row in rows if len(row) < len(table.columns)]
    await _each_shape(connection, table, whole, upsert_statement)
    await _each_shape(connection, table, partial, update_statement)


async def _each_shape(
    connection: Connection,
    table: Table,
    rows: Sequence[Row],
    statement: Callable[[str, tuple[tuple[str, str], ...], tuple[str, ...]], sql.Composed],
) -> None:
    """One statement for all rows that name the same columns."""
    shapes: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        shapes.setdefault(tuple(name for name in table.columns if name in row), []).append(row)
    for names, alike in shapes.items():
        columns = tuple((name, sql_type(table.columns[name])) for name in names)
        values = [_packed(kind, [row[name] for row in alike]) for name, kind in columns]
        query = statement(table.name, columns, table.key)
        await connection.execute(query, values, prepare=True)


async def _delete(
    connection: Connection, table: Table, keys: Sequence[tuple[object, ...]], names: tuple[str, ...]
) -> None:
    columns = tuple((name, sql_type(table.columns[name])) for name in names)
    values = [
        _packed(kind, [key[place] for key in keys]) for place, (_, kind) in enumerate(columns)
    ]
    await connection.execute(delete_statement(table.name, columns), values, prepare=True)


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
def insert_statement(table: str, columns: Columns, _key: tuple[str, ...]) -> sql.Composed:
    return sql.SQL("INSERT INTO {} ({}) SELECT * FROM {}").format(
        sql.Identifier(table), _names(columns), _unnest(columns)
    )


@lru_cache(maxsize=512)
def upsert_statement(table: str, columns: Columns, key: tuple[str, ...]) -> sql.Composed:
    insert = insert_statement(table, columns, key)
    others = [name for name, _ in columns if name not in key]
    keys = sql.SQL(", ").join(map(sql.Identifier, key))
    if not others:
        return insert + sql.SQL(" ON CONFLICT ({}) DO NOTHING").format(keys)
    changes = sql.SQL(", ").join(
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in others
    )
    return insert + sql.SQL(" ON CONFLICT ({}) DO UPDATE SET {}").format(keys, changes)


@lru_cache(maxsize=512)
def update_statement(table: str, columns: Columns, key: tuple[str, ...]) -> sql.Composed:
    changes = sql.SQL(", ").join(
        sql.SQL("{0} = v.{0}").format(sql.Identifier(name))
        for name, _ in columns
        if name not in key
    )
    return sql.SQL("UPDATE {} t SET {} FROM {} v ({}) WHERE {}").format(
        sql.Identifier(table), changes, _unnest(columns), _names(columns), _same(key)
    )


@lru_cache(maxsize=512)
def delete_statement(table: str, columns: Columns) -> sql.Composed:
    return sql.SQL("DELETE FROM {} t USING {} v ({}) WHERE {}").format(
        sql.Identifier(table),
        _unnest(columns),
        _names(columns),
        _same(tuple(name for name, _ in columns)),
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
