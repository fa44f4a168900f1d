"""What is on its way in. It counts for the quotas from its first byte, so that no two pass one."""

from uuid import UUID

import msgspec

from infra.db import Connection

LOCKS = 5_014_023  # the class of advisory locks on a project's and a person's quota


class Upload(msgspec.Struct, frozen=True):
    """`length`: bytes that it may come to."""

    id: UUID
    project: UUID
    person: UUID
    length: int


LOCK = """
SELECT pg_advisory_xact_lock(%(locks)s, key)
FROM (SELECT DISTINCT hashtext(one::text) AS key FROM unnest(%(ids)s::uuid[]) one ORDER BY 1) keys
"""

# What became an event that the counted read model had not seen yet counts as well.
COMING = """
SELECT coalesce(sum(length) FILTER (WHERE project = %(project)s), 0)::bigint,
    coalesce(sum(length) FILTER (WHERE person = %(person)s), 0)::bigint
FROM formula_uploads
WHERE (project = %(project)s OR person = %(person)s)
    AND CASE WHEN position IS NULL THEN expires_at > statement_timestamp()
        ELSE position > %(seen)s END
"""

INSERT = """
INSERT INTO formula_uploads (id, project, person, length, expires_at)
VALUES (%(id)s, %(project)s, %(person)s, %(length)s,
    clock_timestamp() + make_interval(secs => %(lives_s)s))
"""


async def lock_quotas(db: Connection, upload: Upload) -> None:
    """Of its project and person, until the transaction ends: sooner than it is on the disk.

    Who is next would wait for that; with what a crash takes of it, an upload is not over either.
    """
    await db.execute("SET LOCAL synchronous_commit = off")
    await db.execute(LOCK, {"locks": LOCKS, "ids": [upload.project, upload.person]})


async def coming(db: Connection, upload: Upload, seen: int) -> tuple[int, int]:
    """Bytes on their way into the project, and from the person: as of position `seen`."""
    values = {"project": upload.project, "person": upload.person, "seen": seen}
    row = await (await db.execute(COMING, values)).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


async def begin(db: Connection, upload: Upload, lives_s: float) -> None:
    await db.execute(INSERT, {**msgspec.structs.asdict(upload), "lives_s": lives_s})


async def arrived(db: Connection, upload: UUID, length: int, position: int) -> None:
    """It is a file now, of so many bytes, since the event at that position."""
    await db.execute(
        "UPDATE formula_uploads SET length = %s, position = %s WHERE id = %s",
        (length, position, upload),
    )


async def give_up(db: Connection, upload: UUID) -> None:
    await db.execute("DELETE FROM formula_uploads WHERE id = %s", (upload,))


async def forget_uploads(db: Connection, seen: int) -> int:
    """Those that are counted as files by now, or that nobody brings any more; how many."""
    cursor = await db.execute(
        "DELETE FROM formula_uploads WHERE expires_at < statement_timestamp()"
        " AND (position IS NULL OR position <= %s)",
        (seen,),
    )
    return cursor.rowcount
