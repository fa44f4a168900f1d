"""Archives as Parquet: a column for each field of a row, header and totals in the metadata.

Ids are text; `state` and `metadata` are columns of JSON text.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec import UNSET, Raw, UnsetType

from infra.eventstore.archive import Archive, ArchiveError, Header, Totals

MAGIC = b"PAR1"
GROUP_ROWS, GROUP_BYTES = 50_000, 2**26  # of a row group, which its reader holds in memory
BATCH = 1_000  # rows that are converted at once


class Cells(msgspec.Struct, frozen=True, omit_defaults=True):
    """A Row with what its columns hold; the encoding is the same line."""

    position: int
    recorded_at: datetime
    stream: str
    version: int
    tag: str
    state: Raw
    metadata: Raw | UnsetType = UNSET
    command_id: str | None = None
    command_size: int | None = None
    actor: str | None = None
    project: str | None = None


NAMES = Cells.__struct_fields__

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Cells)


def write_parquet(file: BinaryIO, header: Header, totals: Totals, lines: Iterable[bytes]) -> None:
    """Write the whole file, a bounded part of it in memory."""
    pa, pq = _arrow()
    about = {b"header": msgspec.json.encode(header), b"totals": msgspec.json.encode(totals)}
    schema = _schema(pa).with_metadata(about)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(lines):
            writer.write_table(pa.table(_columns(group), schema=schema))


def open_parquet(path: Path) -> Archive:
    """Raises ArchiveError for a file that is torn, or that no export wrote."""
    pa, pq = _arrow()
    with _readable(path):
        schema = pq.read_schema(path)
    if not schema.equals(_schema(pa)):
        raise ArchiveError(f"{path} is no export of a log: its columns are others")
    return _opened(path, schema.metadata or {})


def _opened(path: Path, metadata: Mapping[bytes, bytes]) -> Archive:
    try:
        header = msgspec.json.decode(metadata[b"header"], type=Header)
        totals = msgspec.json.decode(metadata[b"totals"], type=Totals)
    except (KeyError, msgspec.DecodeError):
        raise ArchiveError(f"{path} is no export of a log: its metadata has no totals") from None
    return Archive(str(path), header, totals, partial(_lines, path), unit="row")


def _lines(path: Path) -> Iterator[bytes]:
    with _readable(path), _arrow()[1].ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH, columns=list(NAMES)):
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield _line(*values)


def _line(
    position: int,
    recorded_at: datetime,
    stream: str,
    version: int,
    tag: str,
    state: str,
    metadata: str | None,
    *rest: Any,
) -> bytes:
    packed = UNSET if metadata is None else Raw(metadata)
    cells = Cells(position, recorded_at, stream, version, tag, Raw(state), packed, *rest)
    return _encoder.encode(cells) + b"\n"


def _groups(lines: Iterable[bytes]) -> Iterator[list[Cells]]:
    group: list[Cells] = []
    size = 0
    for line in lines:
        group.append(_decoder.decode(line))
        size += len(line)
        if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _columns(group: Iterable[Cells]) -> dict[str, Sequence[object]]:
    columns = zip(*map(msgspec.structs.astuple, group), strict=True)
    named: dict[str, Sequence[object]] = dict(zip(NAMES, columns, strict=True))
    return named | {name: [_text(value) for value in named[name]] for name in ("state", "metadata")}


def _text(value: object) -> str | None:
    return bytes(value).decode() if isinstance(value, Raw) else None


def _schema(pa: Any) -> Any:
    optional = {"metadata", "command_id", "command_size", "actor", "project"}
    types = {
        "position": pa.int64(),
        "recorded_at": pa.timestamp("us", tz="UTC"),
        "version": pa.int64(),
        "command_size": pa.int32(),
    }
    return pa.schema(
        [pa.field(name, types.get(name, pa.string()), nullable=name in optional) for name in NAMES]
    )


@contextmanager
def _readable(path: Path) -> Generator[None]:
    pa, _ = _arrow()
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ArchiveError(f"{path} is torn or altered: {error}. Export the log again") from error


def _arrow() -> tuple[Any, Any]:
    """Untyped, and loaded where it is needed only: every command would wait for it."""
    return import_module("pyarrow"), import_module("pyarrow.parquet")
