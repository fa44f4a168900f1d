"""The audit as a file: a zip of the rows and a signed manifest, written and read in a stream."""

import csv
import io
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol
from uuid import UUID
from zipfile import BadZipFile, ZipFile

import msgspec

from domain.audit import AuditFilter
from infra.signing import Signer, is_signed
from projections.audit import AuditRow

MANIFEST = "manifest.json"
GROUP = 20_000  # rows of a Parquet row group, which is held in memory
CHUNK = 1 << 20  # bytes
NAMES = AuditRow.__struct_fields__

_encoder = msgspec.json.Encoder()


class AuditFormat(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


class Manifest(msgspec.Struct, frozen=True):
    """What is in an export. The signature is that of this, as JSON, with an empty signature."""

    file: str
    filter: AuditFilter
    head: int  # position up to which was looked
    count: int
    first: int | None  # positions
    last: int | None
    sha256: str  # of the file
    exported_at: datetime
    exported_by: UUID | None
    public_key: str
    signature: str = ""

    def signed(self, signer: Signer) -> "Manifest":
        return msgspec.structs.replace(self, signature=signer.sign(self.plain))

    @property
    def plain(self) -> bytes:
        return _encoder.encode(msgspec.structs.replace(self, signature=""))


class BadExport(Exception):
    """A file is no export of the audit, or was altered: what is wrong, and what to do."""


class Sink(io.RawIOBase):
    """Passes on what is written, and knows its hash and its length."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write, self._sha, self._length = write, sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        part = bytes(data)
        self._sha.update(part)
        self._length += len(part)
        self._write(part)
        return len(part)

    def tell(self) -> int:
        return self._length

    @property
    def sha256(self) -> str:
        return self._sha.hexdigest()


class RowWriter(Protocol):
    """Writes rows in a format."""

    def add(self, rows: Sequence[AuditRow]) -> None: ...

    def finish(self) -> None: ...


class Ndjson:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def add(self, rows: Sequence[AuditRow]) -> None:
        self._sink.write(_encoder.encode_lines(rows))

    def finish(self) -> None:
        return


class Csv:
    """`data` is JSON."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._lines([NAMES])

    def add(self, rows: Sequence[AuditRow]) -> None:
        self._lines([_cells(row) for row in rows])

    def finish(self) -> None:
        return

    def _lines(self, lines: Sequence[Sequence[object]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(lines)
        self._sink.write(text.getvalue().encode())


class Parquet:
    """Ids are text and `data` is JSON."""

    def __init__(self, sink: Sink) -> None:
        self._pa = import_module("pyarrow")  # untyped, and loaded where it is needed only
        types = {
            "position": self._pa.int64(),
            "version": self._pa.int64(),
            "at": self._pa.timestamp("us", tz="UTC"),
        }
        self._schema = self._pa.schema(
            [(name, types.get(name, self._pa.string())) for name in NAMES]
        )
        parquet = import_module("pyarrow.parquet")
        self._writer = parquet.ParquetWriter(sink, self._schema, compression="zstd")
        self._rows: list[tuple[object, ...]] = []

    def add(self, rows: Sequence[AuditRow]) -> None:
        self._rows += [_cells(row) for row in rows]
        if len(self._rows) >= GROUP:
            self._flush()

    def finish(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        columns = dict(zip(NAMES, zip(*self._rows, strict=True), strict=True))
        self._writer.write_table(self._pa.table(columns, schema=self._schema))
        self._rows = []


WRITERS: dict[AuditFormat, Callable[[Sink], RowWriter]] = {
    AuditFormat.NDJSON: Ndjson,
    AuditFormat.CSV: Csv,
    AuditFormat.PARQUET: Parquet,
}


def _cells(row: AuditRow) -> tuple[object, ...]:
    return tuple(_cell(value) for value in msgspec.structs.astuple(row))


def _cell(value: object) -> object:
    match value:
        case UUID():
            return str(value)
        case dict():
            return msgspec.json.encode(value).decode()
        case _:
            return value


def verify_export(path: Path, public_key: str) -> Manifest:
    """The manifest of an export that is as that key's holder wrote it. Raises BadExport."""
    try:
        with ZipFile(path) as archive:
            manifest = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
            if sorted(archive.namelist()) != sorted((MANIFEST, manifest.file)):
                raise BadExport(f"{path} holds files that the manifest does not vouch for")
            with archive.open(manifest.file) as file:
                found = _hash(file)
    except (BadZipFile, KeyError, msgspec.DecodeError, zlib.error) as error:
        raise BadExport(f"{path} is no whole export of the audit: export it again") from error
    if manifest.public_key != public_key:
        raise BadExport(f"{path} was signed with another key, {manifest.public_key}: see --key")
    if not is_signed(manifest.plain, manifest.signature, public_key):
        raise BadExport(f"{path}: the manifest was altered: its signature does not fit it")
    if found != manifest.sha256:
        raise BadExport(f"{path}: {manifest.file} was altered: its SHA-256 is {found}")
    return manifest


def _hash(file: IO[bytes]) -> str:
    digest = sha256()
    while part := file.read(CHUNK):
        digest.update(part)
    return digest.hexdigest()
