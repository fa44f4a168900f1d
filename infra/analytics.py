"""Queries of analysts: one SELECT, under a role that sees nothing but the schema `analytics`.

What keeps a query in, each by itself enough for most of it:
- It runs as a cursor, by the extended protocol: one statement, and only one that reads.
- Its transaction is read-only, its role may read `analytics` and nothing else.
- It may not name a function that Postgres calls volatile: whatever has an effect is one, and so is
  what could change the role or run text as SQL. Names are looked for in the whole text, strings
  and comments included, so there is no way of writing one that is overlooked.
- It has a session of its own, a bounded time, and a bounded number of rows and of bytes.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Literal, LiteralString, TypeAlias, cast
from uuid import UUID

import msgspec
import psycopg
from psycopg import errors

from domain.errors import Invalid, NotAllowed
from domain.query import MAX_SQL
from infra.bounded import MOST, TooMuch, bounded
from infra.db import Connection
from infra.eventstore.types import StoreOverloaded
from infra.runtime import Runtime

TIME_S = 10.0  # of one query
AT_ONCE = 4  # queries of analysts in a database
CHUNK = 1_000  # rows of a fetch
AT_A_TIME = 4  # rows that the client takes off the wire together
CHUNK_BYTES = 1_048_576
MAX_BYTES = 268_435_456  # of an answer
CURSOR = "analyst"
NAME = "formula analyst"  # of the sessions, in pg_stat_activity

Answer: TypeAlias = tuple[object, ...]
Value: TypeAlias = str | int | float | bool | list[str | int | float] | None

# Volatile, but without an effect.
HARMLESS = frozenset({"random", "random_normal", "clock_timestamp", "gen_random_uuid", "uuidv7"})
WORD = re.compile(r"[a-z_][a-z0-9_$]*")
# What is not a parameter: text, quoted names, comments, casts.
PARAMETER = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|::|:(?P<name>[a-zA-Z_]\w*)""", re.DOTALL
)

BEFORE = """
SELECT coalesce((SELECT pg_has_role(current_user, oid, 'SET') FROM pg_roles
        WHERE rolname = 'formula_analyst'), false),
    (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = %s),
    ARRAY(SELECT DISTINCT proname::text FROM pg_proc WHERE provolatile = 'v')
"""


class Viewer(msgspec.Struct, frozen=True):
    """Who asks, and sees no more than is said: by itself nothing."""

    projects: UUID | Literal["all"] | None = None  # those that this person is a member of
    accounts: bool = False  # sees all of the log, events about accounts too
    people: bool = False  # sees everybody, not only members of projects


class Column(msgspec.Struct, frozen=True):
    name: str
    type: str  # Postgres's name of it


class Rows(msgspec.Struct, frozen=True):
    """A query's answer while it is being read."""

    columns: list[Column]
    chunks: AsyncIterator[Sequence[Answer]]


async def server(runtime: Runtime) -> str:
    """Where to ask: nothing reads as much, so the replica while there is one that follows."""
    if runtime.replica is not None and await runtime.replica.follows():
        return runtime.settings.database_replica_url
    return runtime.settings.database_url


@asynccontextmanager
async def run(
    conninfo: str,
    viewer: Viewer,
    query: str,
    parameters: Mapping[str, Value],
    limit: int,
    *,
    time_s: float = TIME_S,
) -> AsyncGenerator[Rows]:
    """Run a query; at most `limit` rows come.

    Raises Invalid for what is no query, takes too long, or answers with too much, NotAllowed for
    what it may not do, and StoreOverloaded while too many run.
    """
    statement = placeholders(query, parameters)
    with designed(time_s):
        async with (
            asyncio.timeout(time_s + 1.0),  # a fetch each is bounded by Postgres, all of them here
            bounded(conninfo, application_name=NAME) as connection,
        ):
            await _admit(connection, query)
            async with connection.transaction(), connection.cursor(name=CURSOR) as cursor:
                await confine(connection, viewer, time_s)
                await cursor.execute(cast(LiteralString, statement), dict(parameters))
                found = cursor.description or []
                columns = [Column(one.name, one.type_display) for one in found]
                yield Rows(columns, _chunks(connection, limit))


async def _admit(connection: Connection, query: str) -> None:
    row = await (await connection.execute(BEFORE, (NAME,))).fetchone()
    may, running, volatile = cast(tuple[bool, int, list[str]], row)
    if not may:
        raise NotAllowed(
            "analytics.no_role",
            reason="the database lacks the role: as a superuser run CREATE ROLE formula_analyst"
            f" NOLOGIN; GRANT formula_analyst TO {connection.info.user}; start the scheduler again",
        )
    if running > AT_ONCE:
        raise StoreOverloaded("enough queries of analysts run at this moment")
    forbidden = sorted((set(volatile) - HARMLESS) & set(WORD.findall(query.lower())))
    if forbidden:
        raise NotAllowed(
            "analytics.forbidden_function",
            name=forbidden[0],
            reason="no function with effects may be named, not even in a text: use a parameter",
        )


async def confine(connection: Connection, viewer: Viewer, time_s: float) -> None:
    """For the transaction; the role comes last, since it may set nothing it should not."""
    settings = {
        "transaction_read_only": "on",
        "statement_timeout": f"{time_s * 1_000:.0f}ms",
        "lock_timeout": "1s",
        "search_path": "analytics, pg_catalog, public",  # functions of the log's are in the last
        "formula.viewer": str(viewer.projects or ""),
        "formula.accounts": "on" if viewer.accounts else "off",
        "formula.people": "on" if viewer.people else "off",
        "role": "formula_analyst",
    }
    for name, value in settings.items():
        await connection.execute("SELECT set_config(%s, %s, true)", (name, value))


async def _chunks(connection: Connection, limit: int) -> AsyncIterator[Sequence[Answer]]:
    """A few rows at a time off the wire, however wide: no chunk is much above CHUNK_BYTES."""
    chunk: list[Answer] = []
    total = size = 0
    async with connection.cursor() as cursor:
        for left in range(limit, 0, -CHUNK):
            fetch = cast(LiteralString, f"FETCH {min(CHUNK, left)} FROM {CURSOR}")
            fetched = 0
            async for row in cursor.stream(fetch, size=AT_A_TIME):
                fetched += 1
                chunk.append(row)
                size += sum(map(_size, row))
                if total + size > MAX_BYTES:
                    raise Invalid("analytics.too_wide", most=MAX_BYTES)
                if len(chunk) == CHUNK or size > CHUNK_BYTES:
                    yield chunk
                    chunk, total, size = [], total + size, 0
            if fetched < min(CHUNK, left):
                break
    if chunk:
        yield chunk


def _size(value: object) -> int:
    """About as many bytes as an answer has of it."""
    match value:
        case str() | bytes():
            return len(value)
        case list() | dict() | tuple():
            return len(msgspec.json.encode(cast(object, value), enc_hook=str))
        case _:
            return 8


def placeholders(query: str, parameters: Mapping[str, Value]) -> str:
    """`:name` as psycopg writes it. Raises Invalid for one without a value."""
    if len(query) > MAX_SQL or "\x00" in query:
        raise Invalid("analytics.bad_query", reason="too long, or with a NUL", most=MAX_SQL)
    if 'u&"' in query.lower():  # a name written in escapes
        raise Invalid("analytics.bad_query", reason='names in the form U&"…" are not taken')

    def replace(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return found[0]
        if name not in parameters:
            raise Invalid("analytics.missing_parameter", name=name)
        return f"%({name})s"

    return PARAMETER.sub(replace, query.replace("%", "%%"))


@contextmanager
def designed(time_s: float) -> Generator[None]:
    """Postgres's refusals as the domain's."""
    try:
        yield
    except TooMuch as error:
        raise Invalid("analytics.row_too_wide", most=MOST) from error
    except (errors.QueryCanceled, TimeoutError) as error:
        raise Invalid("analytics.too_slow", most_s=int(time_s)) from error
    except (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction) as error:
        raise NotAllowed("analytics.not_allowed", reason=_first_line(error)) from error
    except psycopg.OperationalError:
        raise
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.NotSupportedError) as error:
        raise Invalid("analytics.bad_query", reason=_first_line(error)) from error


def _first_line(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).partition("\n")[0]
