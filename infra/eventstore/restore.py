"""Importing an archive into an empty log: checked as a whole, then stored chunk by chunk.

A chunk is an append: in one transaction, under the append's locks, in the order of positions. So
readers may follow, and an import that was killed leaves the beginning of a log, and can go on.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from msgspec import UNSET
from psycopg.errors import LockNotAvailable

from infra.db import LEADERS
from infra.eventstore.archive import Archive, ArchiveError, Digest, Row, Totals, unpacked
from infra.eventstore.codec import NEVER, compress
from infra.eventstore.files import open_archive
from infra.eventstore.motion import AHEAD, WIDTH
from infra.eventstore.transfer import (
    PAGE,
    Database,
    Note,
    Transferred,
    connect,
    log_digest,
    log_head,
)

CHUNK = 5_000  # rows of a transaction
APPEND_LOCK = 5_014_001  # of formula_lock_log
SESSION = "-c lock_timeout=10s -c work_mem=64MB -c maintenance_work_mem=256MB"

# Temporary: whatever ends the session, nothing is left; the file can be read again.
STAGING = """
CREATE TEMPORARY TABLE formula_import (
    number bigint, position bigint, recorded_at timestamptz, stream uuid, version bigint, tag text,
    state bytea, metadata bytea, command_id uuid, command_size integer, actor uuid, project uuid)
"""
TYPES = (
    *("int8", "int8", "timestamptz", "uuid", "int8", "text"),
    *("bytea", "bytea", "uuid", "int4", "uuid", "uuid"),
)
COPY = "COPY formula_import FROM STDIN (FORMAT binary)"
INDEX = "CREATE UNIQUE INDEX ON formula_import (number)"

BAD_VERSION = """
SELECT number, format('version %s of stream %s where %s comes next', version, stream, next)
FROM (
    SELECT number, stream, version, row_number() OVER (PARTITION BY stream ORDER BY number) AS next
    FROM formula_import WHERE version > 0
) versions WHERE version <> next ORDER BY number LIMIT 1
"""
REPEATED_COMMAND = """
SELECT max(number) AS number, format('command %s comes twice', command_id)
FROM formula_import WHERE command_id IS NOT NULL
GROUP BY command_id HAVING count(*) > 1 ORDER BY number LIMIT 1
"""

# The first motion fact of each partition that is still to come.
MOTION_AT = """
SELECT min(position) FROM formula_import WHERE version = 0 AND number > %(done)s
GROUP BY position / %(width)s ORDER BY 1
"""
# What is appended later is not recorded earlier.
CLOCK = """
SELECT setval('formula_events_clock', greatest(pg_sequence_last_value('formula_events_clock'),
    (extract(epoch FROM max(recorded_at)) * 1e6)::bigint))
FROM formula_import
"""
EVENTS = """
INSERT INTO formula_events (originator_id, originator_version, topic, state, notification_id,
    metadata, command_id, command_size, recorded_at)
SELECT stream, version, tag, state, position, metadata, command_id, command_size, recorded_at
FROM formula_import WHERE version > 0 AND number > %(done)s AND number <= %(to)s ORDER BY number
"""
MOTION = """
INSERT INTO formula_motion_events (position, participation, actor, project, tag, state, recorded_at)
SELECT position, stream, actor, project, tag, state, recorded_at
FROM formula_import WHERE version = 0 AND number > %(done)s AND number <= %(to)s ORDER BY number
"""

# What the log led to was done where it came from: no mail goes out again.
JOBS = "UPDATE formula_checkpoints SET position = %s WHERE name = 'jobs'"


def import_log(conninfo: str, source: Path, compress_above: int, note: Note) -> Transferred:
    """Store an archive's rows at their positions; go on where an interrupted import stopped.

    Raises ArchiveError: if the file is wrong in any way, or the log holds anything else than the
    beginning of the file, nothing is stored. Appends wait until the import is done.
    """
    archive = open_archive(source)
    totals = archive.totals
    if archive.header.start > 1:
        raise ArchiveError(
            f"{source} begins at position {archive.header.start}: only a whole log can be imported"
        )
    with connect(conninfo, SESSION) as db:
        found = _found(db, archive, note)
        _stage(db, archive, found, compress_above, note)
        _check(db, archive)
        _lock(db)
        _make_room(db, found, totals.last)
        _store(db, found, totals, note)
        _verify(db, archive, note)
    return Transferred(
        str(source), archive.header.epoch, archive.header.head, totals, resumed=found.rows
    )


def _found(db: Database, archive: Archive, note: Note) -> Totals:
    """What the log holds already."""
    if log_head(db) > archive.totals.last:
        raise _not_empty(archive)
    found = log_digest(db, note, archive.totals.rows).totals()
    if found.rows > archive.totals.rows:
        raise _not_empty(archive)
    return found


def _stage(db: Database, archive: Archive, found: Totals, compress_above: int, note: Note) -> None:
    """Copy the file into the session, checking it row by row."""
    db.execute(STAGING)
    digest = Digest()
    with db.cursor().copy(COPY) as copy:
        copy.set_types(TYPES)
        for row in archive.rows(digest):
            copy.write_row((digest.rows, *_values(row, compress_above)))
            if digest.rows == found.rows and digest.totals() != found:
                raise _not_empty(archive)
            if digest.rows % PAGE == 0:
                note("reading", digest.rows, archive.totals.rows)
    db.execute(INDEX)
    db.execute("ANALYZE formula_import")


def _values(row: Row, compress_above: int) -> tuple[object, ...]:
    state = compress(unpacked(row.state), compress_above if row.version else NEVER)
    return (
        *(row.position, row.recorded_at, row.stream, row.version, row.tag, state),
        None if row.metadata is UNSET else unpacked(row.metadata),
        *(row.command_id, row.command_size, row.actor, row.project),
    )


def _not_empty(archive: Archive) -> ArchiveError:
    return ArchiveError(
        f"the log is not empty, and what it holds is not the beginning of {archive.name}:"
        " import into a new database"
    )


def _check(db: Database, archive: Archive) -> None:
    """What only all rows together show."""
    for question in (BAD_VERSION, REPEATED_COMMAND):
        bad = db.execute(question).fetchone()
        if bad is not None:
            number, reason = bad
            raise ArchiveError(f"{archive.place(number)}: {reason}")


def _lock(db: Database) -> None:
    """Until the session ends nobody appends, and no partition that fills up is dropped."""
    try:
        db.execute("SELECT pg_advisory_lock(%s, hashtext('maintain'))", (LEADERS,))
        db.execute("SELECT pg_advisory_lock(%s)", (APPEND_LOCK,))
    except LockNotAvailable:
        raise ArchiveError(
            "the log is locked: wait until the other import is done, or the maintenance of motion"
        ) from None


@contextmanager
def _appending(db: Database, head: int) -> Generator[None]:
    """A transaction that may append, to a log whose newest position is still `head`."""
    with db.transaction():
        db.execute("SELECT formula_lock_log()")
        if log_head(db) != head:
            raise ArchiveError("the log grew while it was imported: run the import again")
        yield


def _make_room(db: Database, found: Totals, last: int) -> None:
    """Partitions for the motion facts to come, and after them; appends go on behind `last`.

    The sequence passes over every partition, since formula_motion_partitions goes by it.
    """
    with _appending(db, found.last):
        wanted = db.execute(MOTION_AT, {"done": found.rows, "width": WIDTH}).fetchall()
        for (position,) in wanted:
            _make_partitions(db, position, 0)
        if last:
            _make_partitions(db, last, AHEAD)
            db.execute(CLOCK)


def _make_partitions(db: Database, position: int, ahead: int) -> None:
    db.execute("SELECT setval('formula_events_notification_id_seq', %s)", (position,))
    db.execute("SELECT formula_motion_partitions(%s)", (ahead,))


def _store(db: Database, found: Totals, totals: Totals, note: Note) -> None:
    """What clients and snapshots hold of a former log is void from the first chunk on."""
    head = found.last
    for done in range(found.rows, totals.rows, CHUNK):
        chunk = {"done": done, "to": done + CHUNK}
        with _appending(db, head):
            db.execute(EVENTS, chunk)
            db.execute(MOTION, chunk)
            if done == 0:
                db.execute("UPDATE formula_epoch SET salt = gen_random_uuid()")
                db.execute("DELETE FROM formula_snapshots")
            db.execute("NOTIFY formula_events")
            head = log_head(db)
            db.execute(JOBS, (head,))
        note("storing", min(done + CHUNK, totals.rows), totals.rows)


def _verify(db: Database, archive: Archive, note: Note) -> None:
    stored = log_digest(db, note, archive.totals.rows).totals()
    if stored != archive.totals:
        raise ArchiveError(
            f"the log reads back otherwise than {archive.name} (sha256 {stored.sha256}):"
            " drop the database and import into a new one"
        )
