"""A log of a given size, by COPY: realistic rows, spread over many streams."""

import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import LiteralString, cast
from uuid import UUID

import msgspec
import psycopg

from bench.load.streams import changed, metadata, stream_ids
from infra.eventstore.codec import encode, encode_metadata
from infra.runtime import uuid7

BLOCK = 1_000  # rows of one piece of COPY data
SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # Postgres counts its microseconds from here

COPY = """
COPY formula_events (originator_id, originator_version, topic, state, notification_id, metadata,
    command_id, command_size, recorded_at)
FROM STDIN (FORMAT binary, FREEZE)
"""
INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), c.conname,
    pg_get_constraintdef(c.oid)
FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid
WHERE i.indrelid = 'formula_events'::regclass ORDER BY i.indexrelid
"""


class Index(msgspec.Struct, frozen=True, array_like=True):
    """An index, and the constraint it is of where it is of one."""

    name: str
    definition: str
    constraint: str | None
    rule: str | None

    @property
    def drop(self) -> str:
        if self.constraint is None:
            return f"DROP INDEX {self.name}"
        return f"ALTER TABLE formula_events DROP CONSTRAINT {self.constraint}"

    @property
    def create(self) -> str:
        if self.constraint is None:
            return self.definition
        return f"ALTER TABLE formula_events ADD CONSTRAINT {self.constraint} {self.rule}"


def fill(url: str, events: int) -> None:
    """Positions 1 to `events` in an empty log. Its indexes are made when the rows are there."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        with connection.transaction():
            _copy(connection, events)
        connection.execute("SELECT setval('formula_events_notification_id_seq', %s)", (events,))
        connection.execute("SELECT formula_motion_partitions(8)")
        _do(connection, ["VACUUM ANALYZE formula_events", "CHECKPOINT"])


def _copy(connection: psycopg.Connection, events: int) -> None:
    """Into a table truncated in this transaction, rows come frozen: VACUUM has no second pass."""
    indexes = msgspec.convert(connection.execute(INDEXES).fetchall(), list[Index])
    _do(connection, ["TRUNCATE formula_events", *(index.drop for index in indexes)])
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for piece in _pieces(events):
            copy.write(piece)
    _do(connection, [index.create for index in indexes])


def _do(connection: psycopg.Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        connection.execute(cast(LiteralString, statement))  # the database's own words


def streams_of(events: int) -> int:
    """A hundred events to a stream, but enough streams that no caller waits for one."""
    return min(max(events // 100, 1_000), 100_000)


def _pieces(events: int) -> Iterator[bytes]:
    row, ids = _row_maker(), [stream.bytes for stream in stream_ids(0, streams_of(events))]
    yield SIGNATURE
    for start in range(0, events, BLOCK):
        block = range(start, min(start + BLOCK, events))
        yield b"".join([row(ids[n % len(ids)], n // len(ids) + 1, n) for n in block])
    yield END


def _row_maker() -> Callable[[bytes, int, int], bytes]:
    """A function of a stream, a version and a number from 0 on: the row as COPY wants it.

    Every row is as long as the next: only ids and numbers differ. Ten million must be made in
    half a minute.
    """
    topic, state = encode(changed(10**7))
    before, after = state.split(b"%d" % 10**7)
    command = uuid7(datetime.now(UTC)).int >> 64 << 64
    meta = encode_metadata(metadata(UUID(int=command)))
    head, tail = meta.split(str(UUID(int=command)).encode())
    form = f"!h i16s iq i{len(topic)}s i{len(state)}s iq i{len(meta)}s i16s ii iq"
    pack, name, at = struct.Struct(form.replace(" ", "")).pack, topic.encode(), _microseconds()
    topic_size, state_size, meta_size = len(name), len(state), len(meta)

    def row(stream: bytes, version: int, n: int) -> bytes:
        text = f"{command + n:032x}"
        hyphenated = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}".encode()
        return pack(
            *(9, 16, stream, 8, version, topic_size, name),
            *(state_size, b"%b%08d%b" % (before, n, after), 8, n + 1),
            *(meta_size, b"".join((head, hyphenated, tail))),
            *(16, (command + n).to_bytes(16, "big"), 4, 1, 8, at + n),
        )

    return row


def _microseconds() -> int:
    return (datetime.now(UTC) - timedelta(days=1) - EPOCH) // timedelta(microseconds=1)
