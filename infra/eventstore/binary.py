"""Values in Postgres's binary format (array_recv and record_recv in src/backend/utils/adt).

Ours, since psycopg dumps element by element in Python: a batch of 500 commands took longer to write
down than to append.
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

BYTEA, INT8, INT4, TEXT, UUID_ = 17, 20, 23, 25, 2950  # oids of pg_type
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
TRUE, FALSE = b"\1", b"\0"

_NULL = b"\xff\xff\xff\xff"
_size = struct.Struct(">i").pack
_field = struct.Struct(">Ii").pack


def uuids(values: Iterable[UUID | None]) -> bytes:
    return array(
        UUID_,
        [_NULL if value is None else b"\0\0\0\x10" + value.bytes for value in values],
        nulls=True,
    )


def byteas(values: Iterable[bytes]) -> bytes:
    return array(BYTEA, [element(value) for value in values])


def texts(values: Iterable[str]) -> bytes:
    return array(TEXT, [element(value.encode()) for value in values])


def array(oid: int, elements: Sequence[bytes], *, nulls: bool = False) -> bytes:
    """One dimension, counted from 1."""
    if not elements:
        return struct.pack(">3i", 0, 0, oid)
    return struct.pack(">5i", 1, nulls, oid, len(elements), 1) + b"".join(elements)


def element(value: bytes) -> bytes:
    """A value as an array has it."""
    return _size(len(value)) + value


def field(oid: int, value: bytes) -> bytes:
    """A value as a composite has it."""
    return _field(oid, len(value)) + value


def integer(data: bytes | None) -> int:
    """An int2, int4 or int8 that is not null."""
    return int.from_bytes(data or b"", signed=True)


def integers(data: bytes | None) -> list[int] | None:
    """An array of int2, int4 or int8 without nulls."""
    if data is None:
        return None
    if len(data) < 24:
        return []
    count, size = struct.unpack_from(">i", data, 12)[0], struct.unpack_from(">i", data, 20)[0]
    code = {2: "h", 4: "i", 8: "q"}[size]
    return list(struct.unpack(">" + f"4x{code}" * count, data[20:]))


def timestamp(data: bytes | None) -> datetime:
    """A timestamptz that is not null, in UTC."""
    return EPOCH + timedelta(microseconds=int.from_bytes(data or b"", signed=True))
