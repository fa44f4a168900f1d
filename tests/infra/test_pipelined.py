"""One transaction in one piece: whole or not at all, whatever its size, and whoever gives up."""

import asyncio
import struct
from collections.abc import AsyncIterator
from functools import partial

import psycopg
import pytest

from infra.db import Connection
from infra.pipelined import Piece, Pipelined
from infra.settings import Settings
from tests.workers.office import until

pytestmark = pytest.mark.services
PUT = b"INSERT INTO seen VALUES ($1::bigint, $2::text)"


def put(number: int, text: str = "") -> Piece:
    return PUT, (struct.pack(">q", number), text.encode())


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Connection]:
    connect = psycopg.AsyncConnection[object].connect
    async with await connect(settings.database_url, autocommit=True) as connection:
        await connection.execute("CREATE TABLE seen (number bigint PRIMARY KEY, text text)")
        yield connection


async def seen(db: Connection) -> list[int]:
    cursor = await db.execute("SELECT number FROM seen ORDER BY number")
    return [number for (number,) in await cursor.fetchall()]


async def test_statements_are_one_transaction_and_are_prepared_once(db: Connection) -> None:
    pipelined = Pipelined(db)
    await pipelined.transact([put(1), put(2)])
    await pipelined.transact([put(3)])
    assert await seen(db) == [1, 2, 3]
    cursor = await db.execute("SELECT count(*) FROM pg_prepared_statements WHERE name ~ '^formula'")
    assert await cursor.fetchone() == (1,)


async def test_one_that_fails_leaves_nothing_and_says_why(db: Connection) -> None:
    pipelined = Pipelined(db)
    with pytest.raises(psycopg.errors.UniqueViolation) as caught:
        await pipelined.transact([put(1), put(2), put(1), put(3)])
    assert caught.value.sqlstate == "23505"
    assert await seen(db) == []
    await pipelined.transact([put(1)])
    assert await seen(db) == [1]


async def test_codes_of_our_own_are_told(db: Connection) -> None:
    with pytest.raises(psycopg.Error) as caught:
        await Pipelined(db).transact(
            [(b"DO $$ BEGIN RAISE 'no' USING ERRCODE = 'FM001'; END $$", ())]
        )
    assert caught.value.sqlstate == "FM001"


async def test_what_no_socket_takes_at_once_arrives_whole(db: Connection) -> None:
    large = "x" * 4_000_000
    await Pipelined(db).transact([put(number, large) for number in range(4)])
    cursor = await db.execute("SELECT sum(length(text)) FROM seen")
    assert await cursor.fetchone() == (16_000_000,)


async def sleeps(db: Connection, pid: int) -> bool:
    cursor = await db.execute(
        "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'", (pid,)
    )
    return cursor.rowcount > 0


async def test_who_gives_up_ends_the_session(db: Connection, settings: Settings) -> None:
    waiting = asyncio.create_task(Pipelined(db).transact([(b"SELECT pg_sleep(60)", ()), put(1)]))
    connect = psycopg.AsyncConnection[object].connect
    async with await connect(settings.database_url, autocommit=True) as other:
        await until(partial(sleeps, other, db.info.backend_pid))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert db.closed
        assert await seen(other) == []
