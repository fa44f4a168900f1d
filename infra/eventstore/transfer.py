"""Exporting the log: everything up to the head that it has at the start, in constant memory."""

import fcntl
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, LiteralString, TypeAlias
from uuid import UUID

import msgspec
import psycopg
from msgspec import UNSET

from infra.eventstore.archive import (
    FORMAT,
    ArchiveError,
    BadRow,
    Digest,
    Header,
    Row,
    Totals,
    encoded,
    follow,
    packed,
)
from infra.eventstore.codec import inflate
from infra.eventstore.epoch import EPOCH
from infra.eventstore.files import Format, durable_rename, lines_from, lines_of, read_header
from infra.eventstore.parquet import write_parquet
from infra.eventstore.reader import HEAD

# Pages, not one COPY: psycopg hands over a COPY row by row at 5 µs each, and one long statement
# would hold up VACUUM and the dropping of motion's partitions.
PAGE = 1_000  # rows
# A generic plan knows no LIMIT: of a large log it may sort half before the first page.
SESSION = "-c TimeZone=UTC -c plan_cache_mode=force_custom_plan"

Database: TypeAlias = psycopg.Connection[tuple[Any, ...]]
Note: TypeAlias = Callable[[str, int, int], None]  # what is done, how far, of how much

# Both tables in one statement, so one snapshot; below a head that was seen nothing is added.
ROWS = """
(SELECT notification_id AS position, recorded_at, originator_id, originator_version, topic,
    state, metadata, command_id, command_size, NULL::uuid, NULL::uuid
 FROM formula_events WHERE notification_id > %(after)s AND notification_id <= %(head)s
 ORDER BY notification_id LIMIT %(limit)s)
UNION ALL
(SELECT position, recorded_at, participation, 0, tag,
    state, NULL, NULL, NULL, actor, project
 FROM formula_motion_events WHERE position > %(after)s AND position <= %(head)s
 ORDER BY position LIMIT %(limit)s)
ORDER BY position LIMIT %(limit)s
"""


class Transferred(msgspec.Struct, frozen=True):
    """What an export or an import did."""

    file: str
    epoch: str  # of the log that was exported
    head: int  # that it had then
    totals: Totals
    resumed: int  # rows that an interrupted one had done already


def connect(conninfo: str, options: str = "") -> Database:
    return psycopg.connect(
        conninfo, autocommit=True, connect_timeout=10, options=f"{SESSION} {options}"
    )


def export_log(
    conninfo: str, target: Path, file_format: Format, start: int, note: Note
) -> Transferred:
    """Write positions from `start` on to a file; go on where an interrupted export stopped.

    Until it is whole the file is `target`.part, in NDJSON. Raises ArchiveError.
    """
    part = target.with_name(target.name + ".part")
    with connect(conninfo) as db, _alone(part) as file:
        wanted = Header(FORMAT, str(_one(db, EPOCH)), start, log_head(db))
        header, digest = _begun(part, file, wanted, note)
        resumed = digest.rows
        _export(db, file, header, digest, note)
        totals = digest.totals()
        if file_format is Format.PARQUET:
            _convert(part, target, header, totals)
        else:
            file.write(msgspec.json.encode(totals) + b"\n")
            durable_rename(file, part, target)
    return Transferred(str(target), header.epoch, header.head, totals, resumed)


def log_head(db: Database) -> int:
    """The newest position; 0 for an empty log."""
    return int(str(_one(db, HEAD)))


def log_pages(db: Database, after: int, head: int) -> Iterator[list[Row]]:
    """Positions above `after` up to `head`, in their order."""
    values = {"after": after, "head": head, "limit": PAGE}
    while page := db.cursor(binary=True).execute(ROWS, values).fetchall():
        rows = [_row(*one) for one in page]
        values["after"] = rows[-1].position
        yield rows


def log_digest(db: Database, note: Note, of: int) -> Digest:
    """The totals of the whole log as it is now; `of` rows are expected."""
    digest = Digest()
    for rows in log_pages(db, 0, log_head(db)):
        digest.add(rows, encoded(rows))
        note("checking the log", digest.rows, of)
    return digest


def _row(
    position: int,
    recorded_at: datetime,
    stream: UUID,
    version: int,
    tag: str | None,
    state: bytes | None,
    metadata: bytes | None,
    *rest: Any,
) -> Row:
    if tag is None or state is None:
        raise ArchiveError(f"position {position} has no tag or no state: no event of Formula")
    about = UNSET if metadata is None else packed(metadata)
    return Row(position, recorded_at, stream, version, tag, packed(_inflated(state)), about, *rest)


def _inflated(state: bytes) -> bytes:
    """A compressed state as it was before: its event is the same, and people can read it."""
    try:
        return inflate(state)
    except ValueError:  # nothing that Formula wrote: kept as it is
        return state


def _export(db: Database, file: BinaryIO, header: Header, digest: Digest, note: Note) -> None:
    before = header.start - 1
    for rows in log_pages(db, max(digest.last, before), header.head):
        lines = encoded(rows)
        file.write(lines)
        digest.add(rows, lines)
        note("exporting", digest.last - before, header.head - before)
    file.flush()


def _convert(part: Path, target: Path, header: Header, totals: Totals) -> None:
    """Parquet can only be written in one go: it is made of the lines, and replaces them."""
    draft = target.with_name(target.name + ".draft")
    with draft.open("wb") as file:
        write_parquet(file, header, totals, lines_of(part))
        durable_rename(file, draft, target)
    part.unlink()


@contextmanager
def _alone(part: Path) -> Generator[BinaryIO]:
    """The unfinished file, which no other export is writing."""
    part.touch()
    with part.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArchiveError(f"{part} is being written by another export") from None
        yield file


def _begun(part: Path, file: BinaryIO, wanted: Header, note: Note) -> tuple[Header, Digest]:
    """How far an interrupted export came, if there was one."""
    if part.stat().st_size == 0:
        file.write(msgspec.json.encode(wanted) + b"\n")
        return wanted, Digest()
    header = read_header(file)
    if header is None or msgspec.structs.replace(header, head=wanted.head) != wanted:
        raise ArchiveError(f"{part} is of another log or start: delete it to begin anew")
    return header, _whole_lines(part, file, note)


def _whole_lines(part: Path, file: BinaryIO, note: Note) -> Digest:
    """What is there; the last line may be half of one, or older than what the disk kept."""
    digest, end, size = Digest(), file.tell(), part.stat().st_size
    with suppress(BadRow):
        for line in lines_from(file):
            follow(digest, line)
            end += len(line)
            if digest.rows % PAGE == 0:
                note("resuming", end, size)
    file.seek(end)
    file.truncate()
    return digest


def _one(db: Database, statement: LiteralString) -> object:
    row = db.execute(statement).fetchone()
    if row is None:
        raise ArchiveError("formula_epoch is empty: run `formula migrate`")
    return row[0]
