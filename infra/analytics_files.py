"""A query's answer as JSON, CSV or Parquet, written as it comes: memory does not grow with it."""

import csv
import io
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from importlib import import_module
from typing import Any, BinaryIO, Protocol

import msgspec

from infra.analytics import Column, Rows


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
}


class Written(msgspec.Struct, frozen=True):
    """`truncated`: there was more than the limit."""

    rows: int
    truncated: bool


class Writer(Protocol):
    def write(self, rows: Sequence[tuple[object, ...]]) -> None: ...

    def close(self, *, truncated: bool) -> None: ...


async def write(file: BinaryIO, rows: Rows, form: Format, limit: int) -> Written:
    """Write at most `limit` rows, of an answer that was asked for one more."""
    writer = WRITERS[form](file, rows.columns)
    count, truncated = 0, False
    async for chunk in rows.chunks:
        kept = chunk[: limit - count]
        truncated = len(kept) < len(chunk)
        writer.write(kept)
        count += len(kept)
    writer.close(truncated=truncated)
    return Written(count, truncated)


class Json:
    """`{"columns": […], "rows": [[…], …], "truncated": false}`, a line for each row."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._file = file
        self._encoder = msgspec.json.Encoder(enc_hook=str)
        self._comma = b"\n"
        file.write(b'{"columns":' + self._encoder.encode(columns) + b',"rows":[')

    def write(self, rows: Sequence[tuple[object, ...]]) -> None:
        for row in rows:
            self._file.write(self._comma + self._encoder.encode(row))
            self._comma = b",\n"

    def close(self, *, truncated: bool) -> None:
        self._file.write(b'],"truncated":' + (b"true" if truncated else b"false") + b"}\n")


class Csv:
    """A header, then rows as RFC 4180 has them; null is empty."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._csv = csv.writer(self._text)
        self._csv.writerow([column.name for column in columns])

    def write(self, rows: Sequence[tuple[object, ...]]) -> None:
        self._csv.writerows([[_text(value) for value in row] for row in rows])

    def close(self, *, truncated: bool) -> None:  # noqa: ARG002, a CSV has no place for it
        self._text.detach()


class Parquet:
    """Numbers, times and booleans as themselves, all else as text."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        pa, pq = import_module("pyarrow"), import_module("pyarrow.parquet")
        self._pa: Any = pa
        self._casts = [_cast(column.type) for column in columns]
        self._schema: Any = pa.schema(
            [(column.name, _arrow(pa, column.type)) for column in columns]
        )
        self._writer: Any = pq.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, rows: Sequence[tuple[object, ...]]) -> None:
        columns = [
            [None if value is None else cast(value) for value in values]
            for cast, values in zip(self._casts, zip(*rows, strict=True), strict=False)
        ]
        if columns:
            arrays = [
                self._pa.array(values, type=field.type)
                for values, field in zip(columns, self._schema, strict=True)
            ]
            self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self, *, truncated: bool) -> None:  # noqa: ARG002, the answer's header says it
        self._writer.close()


WRITERS: dict[Format, Callable[[BinaryIO, Sequence[Column]], Writer]] = {
    Format.JSON: Json,
    Format.CSV: Csv,
    Format.PARQUET: Parquet,
}

INTEGERS = {"int2", "int4", "int8"}
FLOATS = {"float4", "float8", "numeric"}


def _arrow(pa: Any, kind: str) -> Any:
    if kind in INTEGERS:
        return pa.int64()
    if kind in FLOATS:
        return pa.float64()
    others = {
        "bool": pa.bool_(),
        "date": pa.date32(),
        "timestamptz": pa.timestamp("us", tz="UTC"),
        "timestamp": pa.timestamp("us"),
    }
    return others.get(kind, pa.string())


def _cast(kind: str) -> Callable[[Any], object]:
    if kind in FLOATS:
        return float
    return _same if kind in INTEGERS | {"bool", "date", "timestamptz", "timestamp"} else _text


def _same(value: object) -> object:
    return value


def _text(value: object) -> str:
    """As a person would write it: no Python in it."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool() | dict() | list():
            return msgspec.json.encode(value, enc_hook=str).decode()
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case _:
            return str(value)
