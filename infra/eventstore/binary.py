"""Values in Postgres's binary format (array_recv and record_recv in src/backend/utils/adt).

Ours, since psycopg dumps element by element in Python: a batch of 500 commands took longer to write
down than to append.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

BYTEA, INT8, INT4, TEXT, UUID_ = 17, 20, 23, 25, 2950  # oids of pg_type
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
TRUE, FALSE = b"\1", b"\0"

COPY_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"

_NULL = b"\xff\xff\xff\xff"
_size = struct.Struct(">i").pack
_field = struct.Struct(">Ii").pack


Pack: TypeAlias = Callable[[Any], bytes]  # a value that is not null, its length in front


def _text(value: str) -> bytes:
    data = value.encode()
    return _size(len(data)) + data


def _jsonb(value: str) -> bytes:
    data = value.encode()
    return _size(len(data) + 1) + b"\1" + data  # the version of jsonb's binary format


def _instant(value: datetime) -> bytes:
    since = value - EPOCH
    return _int8(8, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


_int2, _int4, _int8 = (struct.Struct(f">i{code}").pack for code in "hiq")
# How arrays and COPY have the values of a type, and the type's oid.
PACKS: Mapping[str, tuple[int, Pack]] = {
    "bigint": (INT8, lambda value: _int8(8, value)),
    "boolean": (16, lambda value: b"\0\0\0\1\1" if value else b"\0\0\0\1\0"),
    "bytea": (BYTEA, lambda value: _size(len(value)) + value),
    "date": (1082, lambda value: _int4(4, value.toordinal() - EPOCH.toordinal())),
    "integer": (INT4, lambda value: _int4(4, value)),
    "jsonb": (3802, _jsonb),
    "smallint": (21, lambda value: _int2(2, value)),
    "text": (TEXT, _text),
    "timestamptz": (1184, _instant),
    "uuid": (UUID_, lambda value: b"\0\0\0\x10" + value.bytes),
}


def column(pack: Pack, values: Iterable[object]) -> list[bytes]:
    """The values as arrays and COPY have them; None is null."""
    return [_NULL if value is None else pack(value) for value in values]


def copied(columns: Sequence[Sequence[bytes]]) -> bytes:
    """Rows for COPY … (FORMAT binary), signature and trailer included."""
    head = struct.pack(">h", len(columns))
    rows = [head + b"".join(row) for row in zip(*columns, strict=True)]
    return b"".join((COPY_SIGNATURE, *rows, COPY_END))


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
