"""Compressed states in Postgres: the store reads them, and so does whoever reads the log in SQL."""

import zlib
from collections.abc import Iterator
from uuid import uuid4

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from domain.activity import ActivityRecorded
from domain.kernel import Metadata
from infra.eventstore.types import NEW, To
from infra.runtime import open_runtime
from infra.settings import Settings

INFLATE = "SELECT formula_inflate(%b)"

strategies = st.sampled_from(
    [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE]
)
# Bytes that repeat and bytes that do not, so that all kinds of blocks and long distances come up.
chunks = st.binary(min_size=1, max_size=40)
plains = st.lists(st.tuples(chunks, st.integers(1, 90)), max_size=12).map(
    lambda runs: b"".join(chunk * times for chunk, times in runs)
)


@pytest.fixture
def connection(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(settings.database_url, autocommit=True) as opened:
        yield opened


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plain=plains, level=st.integers(0, 9), strategy=strategies)
def test_sql_inflates_whatever_zlib_deflates(
    connection: psycopg.Connection, plain: bytes, level: int, strategy: int
) -> None:
    packer = zlib.compressobj(level, zlib.DEFLATED, 15, 8, strategy)
    packed = packer.compress(plain) + packer.flush()
    row = connection.execute(INFLATE, (packed,)).fetchone()
    assert row == (plain,)


def test_a_damaged_stream_is_an_error(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.DataError):
        connection.execute(INFLATE, (zlib.compress(b"hello" * 20)[:-9],))


async def test_a_compressed_event_is_read_like_any_other(settings: Settings) -> None:
    settings = msgspec.structs.replace(settings, event_compress_above=500)
    text = "all work and no play " * 200
    data = msgspec.Raw(msgspec.json.encode({"text": text}))
    event, stream = ActivityRecorded(room="project:x", kind="note", data=data), uuid4()
    async with open_runtime(settings) as runtime:
        await runtime.store.append(Metadata(command_id=uuid4()), To(stream, NEW, (event,)))
        assert [one.event for one in await runtime.store.read_stream(stream)] == [event]
        async with runtime.db.connection() as db:
            cursor = await db.execute(
                "SELECT length(e.state) < 300, l.data #>> '{data,text}' FROM formula_events e"
                " JOIN formula_log l ON l.position = e.notification_id"
            )
            assert await cursor.fetchall() == [(True, text)]
