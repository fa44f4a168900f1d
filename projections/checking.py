"""A read model checks itself: built anew in a shadow up to one position, and compared row by row.

Checksums come first, of the whole table and then of 1,024 parts of it; rows are fetched only of
parts that differ. `python -m projections.checking NAME` does it in a process of its own.
"""

import argparse
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

import msgspec
import structlog
from psycopg import sql

from domain.errors import WrongState
from domain.upkeep import UPKEEP, NoteCheck, upkeep_stream
from infra.db import Connection, connect
from infra.log import configure_logging
from infra.process import run
from infra.runtime import SYSTEM, Runtime, open_runtime
from infra.settings import Settings, load_settings
from projections import generations
from projections.building import catch_up, checkpoint
from projections.generations import SERVING, SHADOW
from projections.model import Table
from projections.step import AnyProjection
from projections.upkeep import named

SHOWN = 20  # differing rows of a check
WHOLE = 5  # of these, rows that its event has whole
MAX_SHOWN = 2_000  # characters of such a row
SESSION = "-c synchronous_commit=off -c lock_timeout=5s -c TimeZone=UTC"

Note: TypeAlias = Callable[[str, int, int], None]  # step, done, of
Part: TypeAlias = dict[int, tuple[int, int]]  # (rows, checksum) by part of a table

log = structlog.get_logger()


class Difference(msgspec.Struct, frozen=True):
    """A row that is not as a rebuild makes it; None: there is none with that key."""

    table: str
    key: str
    serves: dict[str, Any] | None
    rebuilt: dict[str, Any] | None


class Check(msgspec.Struct, frozen=True):
    """What a check found at `position`; `differences` are at most SHOWN of `different` rows."""

    projection: str
    position: int
    rows: int
    different: int
    differences: list[Difference]


async def check(runtime: Runtime, name: str, note: Note) -> Check:
    """Rebuild in a shadow, compare, and put on record what was found. Raises NotFound, WrongState.

    Holds a snapshot open while the shadow catches up with it, not while it is built.
    """
    projection = named(name)
    async with _connected(runtime) as builder, _connected(runtime) as reader:
        schema = await generations.begin(builder, projection, state=SHADOW)
        try:
            upto = await checkpoint(builder, projection.group)
            note("build", 0, upto)
            await catch_up(runtime, builder, projection, schema, upto, polite=True)
            note("build", upto, upto)
            async with _at_one_moment(reader):
                serves = await _serving(reader, projection)
                upto = await checkpoint(reader, projection.group)
                await catch_up(runtime, builder, projection, schema, upto)
                found = await _compare(reader, builder, projection, serves, schema, note)
        finally:
            await generations.drop(builder, schema)
    result = Check(name, upto, *found)
    await _record(runtime, result)
    return result


@asynccontextmanager
async def _connected(runtime: Runtime) -> AsyncGenerator[Connection]:
    async with await connect(runtime.settings.database_url, options=SESSION) as connection:
        yield connection


@asynccontextmanager
async def _at_one_moment(connection: Connection) -> AsyncGenerator[None]:
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


async def _serving(connection: Connection, projection: AnyProjection) -> str:
    for one in await generations.generations(connection, [projection.name]):
        if one.state == SERVING and one.version == projection.version and not one.stopped:
            return one.schema
    raise WrongState("projection.not_serving", projection=projection.name)


async def _compare(
    reader: Connection,
    builder: Connection,
    projection: AnyProjection,
    serves: str,
    shadow: str,
    note: Note,
) -> tuple[int, int, list[Difference]]:
    rows, different, shown = 0, 0, list[Difference]()
    pruned = await _pruned(reader, projection)
    for done, table in enumerate(projection.tables, 1):
        here = await _sums(reader, serves, table, pruned)
        there = await _sums(builder, shadow, table, pruned)
        rows += sum(count for count, _ in here.values())
        for part in sorted(here.keys() | there.keys()):
            if here.get(part) != there.get(part):
                found = await _rows_that_differ(
                    reader, builder, table, serves, shadow, part, pruned
                )
                different += len(found)
                shown += found[: SHOWN - len(shown)]
        note("compare", done, len(projection.tables))
    return rows, different, shown


def _key(table: Table) -> sql.Composed:
    return sql.SQL("jsonb_build_array({})::text").format(
        sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(name)) for name in table.key)
    )


def _part(table: Table) -> sql.Composed:
    return sql.SQL("(hashtextextended({}, 0) & 1023)::int").format(_key(table))


async def _pruned(connection: Connection, projection: AnyProjection) -> int:
    """Up to which position rows may be gone: those are not compared."""
    cursor = await connection.execute(
        "SELECT position FROM formula_pruned WHERE projection = %s", (projection.name,)
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


def _kept(table: Table, pruned: int) -> sql.Composable:
    if not table.pruned:
        return sql.SQL("true")
    return sql.SQL("t.{} > {}").format(sql.Identifier(table.pruned), sql.Literal(pruned))


async def _sums(connection: Connection, schema: str, table: Table, pruned: int) -> Part:
    """The order of rows plays no part: sums of their hashes."""
    query = sql.SQL(
        "SELECT {part}, count(*), sum(hashtextextended(t::text, 0)::numeric)"
        " FROM {table} t WHERE {kept} GROUP BY 1"
    ).format(part=_part(table), table=sql.Identifier(schema, table.name), kept=_kept(table, pruned))
    return {
        part: (count, int(total))
        for part, count, total in await (await connection.execute(query)).fetchall()
    }


async def _rows_that_differ(
    reader: Connection,
    builder: Connection,
    table: Table,
    serves: str,
    shadow: str,
    part: int,
    pruned: int,
) -> list[Difference]:
    here = await _rows(reader, serves, table, part, pruned)
    there = await _rows(builder, shadow, table, part, pruned)
    return [
        Difference(table.name, key, here.get(key), there.get(key))
        for key in sorted(here.keys() | there.keys())
        if here.get(key) != there.get(key)
    ]


async def _rows(
    connection: Connection, schema: str, table: Table, part: int, pruned: int
) -> dict[str, dict[str, Any]]:
    query = sql.SQL(
        "SELECT {key}, to_jsonb(t) FROM {table} t WHERE {part} = {number} AND {kept}"
    ).format(
        kept=_kept(table, pruned),
        key=_key(table),
        table=sql.Identifier(schema, table.name),
        part=_part(table),
        number=sql.Literal(part),
    )
    return dict(await (await connection.execute(query)).fetchall())


async def _record(runtime: Runtime, found: Check) -> None:
    """An event: auditors see every check, operators hear of one that failed."""
    command = NoteCheck(
        projection=found.projection,
        at=found.position,
        rows=found.rows,
        differences=found.different,
        keys=tuple(f"{one.table} {one.key}" for one in found.differences),
        shown=tuple(
            msgspec.json.encode(one).decode()[:MAX_SHOWN] for one in found.differences[:WHOLE]
        ),
    )
    stream = upkeep_stream(found.projection)
    await runtime.execute(SYSTEM, UPKEEP, stream, command, blind=True)
    if found.different:
        log.error(
            "projection_differs",
            projection=found.projection,
            rows=found.different,
            keys=command.keys,
        )


async def check_all(names: Sequence[str], settings: Settings) -> None:
    async with open_runtime(settings) as runtime:
        for name in names:
            await check(runtime, name, lambda _step, _done, _of: None)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m projections.checking", description=__doc__)
    parser.add_argument("names", nargs="+")
    names: list[str] = parser.parse_args().names
    settings = load_settings()
    configure_logging(settings)
    return run(settings, partial(check_all, names))


if __name__ == "__main__":
    sys.exit(main())
