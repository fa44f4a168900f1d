"""Archives as files. NDJSON is the header, a line for each row, the totals; see also parquet.py."""

import os
from collections.abc import Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import BinaryIO

import msgspec

from infra.eventstore import parquet
from infra.eventstore.archive import FORMAT, Archive, ArchiveError, Header, Totals

MAX_LINE = 2**27  # bytes: no more is held in memory of a file that has no lines
TOTALS = b'{"events":'  # how the last line begins, and no row does


class Format(StrEnum):
    NDJSON = "ndjson"
    PARQUET = "parquet"


ENDINGS = {".ndjson": Format.NDJSON, ".jsonl": Format.NDJSON, ".parquet": Format.PARQUET}


def format_of(path: Path) -> Format:
    """The format that a name's ending says. Raises ArchiveError."""
    try:
        return ENDINGS[path.suffix]
    except KeyError:
        known = ", ".join(ENDINGS)
        raise ArchiveError(f"{path} ends in none of {known}: say which with --format") from None


def open_archive(path: Path) -> Archive:
    """What is in a file, by its content. Raises ArchiveError for one that is torn or is none."""
    with path.open("rb") as file:
        is_parquet = file.read(len(parquet.MAGIC)) == parquet.MAGIC
    archive = parquet.open_parquet(path) if is_parquet else _open_ndjson(path)
    if archive.header.formula_log != FORMAT:
        raise ArchiveError(
            f"{path} has format {archive.header.formula_log} and this version reads {FORMAT}:"
            " use the version of formula that wrote it"
        )
    return archive


def read_header(file: BinaryIO) -> Header | None:
    """The header, from the beginning of an NDJSON file; None where there is none."""
    try:
        return msgspec.json.decode(file.readline(MAX_LINE), type=Header)
    except msgspec.DecodeError:
        return None


def lines_from(file: BinaryIO) -> Iterator[bytes]:
    """The rows' lines from where the file is, to its totals or its end."""
    for line in iter(partial(file.readline, MAX_LINE), b""):
        if line.startswith(TOTALS):
            return
        yield line


def lines_of(path: Path) -> Iterator[bytes]:
    """The rows' lines of an NDJSON file."""
    with path.open("rb") as file:
        file.readline(MAX_LINE)
        yield from lines_from(file)


def durable_rename(written: BinaryIO, source: Path, target: Path) -> None:
    """Put a finished file in its place: there whole, whatever happens, or not at all."""
    written.flush()
    os.fsync(written.fileno())
    source.rename(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _open_ndjson(path: Path) -> Archive:
    with path.open("rb") as file:
        header = read_header(file)
        if header is None:
            raise ArchiveError(f"{path} is no export of a log: it does not begin with a header")
        totals = _last_line(file)
    if totals is None:
        raise ArchiveError(f"{path} is torn: its last line is not its totals. Export the log again")
    return Archive(str(path), header, totals, partial(lines_of, path), unit="line", above=1)


def _last_line(file: BinaryIO) -> Totals | None:
    file.seek(max(file.seek(0, os.SEEK_END) - 4096, 0))
    last = file.read().splitlines(keepends=True)[-1:]
    try:
        return msgspec.json.decode(last[0], type=Totals) if last else None
    except msgspec.DecodeError:
        return None
