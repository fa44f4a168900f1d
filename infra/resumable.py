"""Uploads that come in parts and go on after a broken connection: what there is of each."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from psycopg.rows import class_row, scalar_row

from infra.db import Connection

PREFIX = "t-"  # how the keys of parts begin
LEASE_S = 6.0  # whoever puts the parts together says so again before that; else another may


class Resumable(msgspec.Struct, frozen=True):
    """`received`: bytes that are here, in so many `parts`.

    `position`: of the event that it became, once it is all there; 0: the file had these bytes.
    """

    id: UUID
    project: UUID
    file: UUID
    name: str
    metadata: str
    length: int
    received: int
    parts: int
    position: int | None
    expires_at: datetime
    direct: str | None  # S3's id of it, where the client brings the parts there

    @property
    def is_whole(self) -> bool:
        return self.received == self.length


def part_key(upload: UUID, offset: int, random: str) -> str:
    """Nobody else's, even where two bring the same part."""
    return f"{PREFIX}{upload.hex}-{offset}-{random}"


def upload_of(key: str) -> UUID:
    return UUID(key.removeprefix(PREFIX).partition("-")[0])


BEGIN = """
UPDATE formula_uploads
SET file = %(file)s, name = %(name)s, metadata = %(metadata)s, direct = %(direct)s
WHERE id = %(id)s
"""

FIND = """
SELECT id, project, file, name, metadata, length, received, cardinality(parts) AS parts,
    position, expires_at, direct
FROM formula_uploads
WHERE id = %(id)s AND person = %(person)s AND file IS NOT NULL
    AND expires_at > statement_timestamp()
"""

# Of two that bring a part for the same offset one is too late.
APPEND = """
UPDATE formula_uploads
SET received = received + %(bytes)s, parts = array_append(parts, %(key)s)
WHERE id = %(id)s AND received = %(offset)s AND position IS NULL
"""

CLAIM = """
UPDATE formula_uploads
SET ending = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE id = %(id)s AND received = length AND position IS NULL
    AND coalesce(ending < clock_timestamp(), true)
RETURNING parts
"""

RENEW = """
UPDATE formula_uploads SET ending = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE id = %(id)s
"""

END = """
DELETE FROM formula_uploads
WHERE id = %(id)s AND position IS NULL AND coalesce(ending < clock_timestamp(), true)
RETURNING parts
"""


async def begin(
    db: Connection, upload: UUID, file: UUID, name: str, metadata: str, direct: str | None = None
) -> None:
    """An upload that has room is a resumable one from now on."""
    values = {"id": upload, "file": file, "name": name, "metadata": metadata, "direct": direct}
    await db.execute(BEGIN, values)


async def find(db: Connection, upload: UUID, person: UUID) -> Resumable | None:
    """One that this person began, and that has not expired."""
    async with db.cursor(row_factory=class_row(Resumable)) as cursor:
        await cursor.execute(FIND, {"id": upload, "person": person})
        return await cursor.fetchone()


async def append(db: Connection, upload: UUID, offset: int, key: str, size: int) -> bool:
    """Whether the part goes on where the others end."""
    values = {"id": upload, "offset": offset, "key": key, "bytes": size}
    return (await db.execute(APPEND, values)).rowcount == 1


async def claim(db: Connection, upload: UUID) -> list[str] | None:
    """The parts, to be put together; None: another does, or did."""
    async with db.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(CLAIM, {"id": upload, "lease_s": LEASE_S})
        return await cursor.fetchone()


async def renew(db: Connection, upload: UUID) -> None:
    await db.execute(RENEW, {"id": upload, "lease_s": LEASE_S})


async def release(db: Connection, upload: UUID) -> None:
    """Another may try."""
    await db.execute("UPDATE formula_uploads SET ending = NULL WHERE id = %s", (upload,))


async def end(db: Connection, upload: UUID) -> list[str] | None:
    """It comes to nothing: the parts to be thrown away; None: it is a file, or about to be."""
    async with db.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(END, {"id": upload})
        return await cursor.fetchone()


async def needed_parts(db: Connection, keys: Sequence[str]) -> set[str]:
    """Those of these whose upload is still known."""
    async with db.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            "SELECT id FROM formula_uploads WHERE id = ANY(%s)",
            ([upload_of(key) for key in keys],),
        )
        known = set(await cursor.fetchall())
    return {key for key in keys if upload_of(key) in known}
