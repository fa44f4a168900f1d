"""The bytes of files: which are kept, which are needed, which are there already, and how many."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

import msgspec
from psycopg.rows import args_row, scalar_row

from infra.db import Connection
from projections.rows import FIRST_ID, fetch_all


class Kept(msgspec.Struct, frozen=True):
    """Bytes that a file has: a version, or what was made of it. `rendition`: its name, or ""."""

    file: UUID
    number: int
    project: UUID
    rendition: str
    key: str
    bytes: int
    sha256: str


class Used(msgspec.Struct, frozen=True):
    """Bytes of all versions that are kept, of a project also what was made of them; as of a
    position.
    """

    project: int
    person: int
    position: int


async def same_content(db: Connection, project: UUID, sha256: str, size: int) -> str | None:
    """Where the project keeps these bytes already: of a file that nobody deleted, found clean."""
    async with db.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            "SELECT v.key FROM file_versions v JOIN files f ON f.id = v.file"
            " WHERE v.project = %s AND v.sha256 = %s AND v.bytes = %s AND v.verdict = 'clean'"
            " AND f.deleted_at IS NULL ORDER BY v.key LIMIT 1",
            (project, sha256, size),
        )
        return await cursor.fetchone()


KEPT: LiteralString = """
SELECT v.file, v.number, v.project, one.rendition, one.key, one.bytes, one.sha256
FROM (SELECT v.* FROM file_versions v JOIN files f ON f.id = v.file
        WHERE (v.file, v.number) > (%(file)s, %(number)s) AND NOT f.purged
            AND v.verdict IS DISTINCT FROM 'refused' AND v.verdict IS DISTINCT FROM 'infected'
        ORDER BY v.file, v.number LIMIT %(limit)s) v,
    LATERAL (SELECT '', v.key, v.bytes, v.sha256
        UNION ALL
        SELECT * FROM jsonb_to_recordset(v.renditions)
            AS made(name text, key text, bytes bigint, sha256 text)
    ) one(rendition, key, bytes, sha256)
ORDER BY v.file, v.number, one.rendition
"""


async def kept(
    db: Connection, after: tuple[UUID, int] = (FIRST_ID, 0), limit: int = 500
) -> list[Kept]:
    """All bytes that are kept, by file and number: those of so many versions."""
    file, number = after
    return await fetch_all(db, Kept, KEPT, {"file": file, "number": number, "limit": limit})


NEEDED: LiteralString = """
SELECT k.key FROM unnest(%(keys)s::text[]) k(key)
WHERE EXISTS (SELECT FROM file_versions v JOIN files f ON f.id = v.file
        WHERE v.key = k.key AND NOT f.purged AND v.verdict IS DISTINCT FROM 'refused'
            AND v.verdict IS DISTINCT FROM 'infected')
    OR EXISTS (SELECT FROM file_renditions r JOIN files f ON f.id = r.file
        WHERE r.key = k.key AND NOT f.purged)
"""


async def needed_keys(db: Connection, keys: Sequence[str]) -> set[str]:
    """Those of these that a file still has."""
    async with db.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(NEEDED, {"keys": list(keys)})
        return set(await cursor.fetchall())


DELETED: LiteralString = """
SELECT array_agg(f.id)
FROM (SELECT v.file FROM file_versions v WHERE v.key = %(key)s
    UNION ALL SELECT r.file FROM file_renditions r WHERE r.key = %(key)s) having_it
JOIN files f ON f.id = having_it.file
HAVING bool_and(f.deleted_at IS NOT NULL)
"""


async def deleted_with(db: Connection, key: str) -> list[UUID]:
    """The files that had these bytes, where all of them are deleted; else none."""
    async with db.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(DELETED, {"key": key})
        return await cursor.fetchone() or []


USED: LiteralString = """
SELECT
    (SELECT coalesce(sum(v.bytes + v.made), 0) FROM file_versions v JOIN files f ON f.id = v.file
        WHERE v.project = %(project)s AND NOT f.purged
            AND v.verdict IS DISTINCT FROM 'refused' AND v.verdict IS DISTINCT FROM 'infected'
    )::bigint,
    (SELECT coalesce(sum(v.bytes), 0) FROM file_versions v JOIN files f ON f.id = v.file
        WHERE v.person = %(person)s AND NOT f.purged
            AND v.verdict IS DISTINCT FROM 'refused' AND v.verdict IS DISTINCT FROM 'infected'
    )::bigint,
    coalesce((SELECT position FROM formula_checkpoints WHERE name = 'queries'), 0)
"""


async def used(db: Connection, project: UUID, person: UUID) -> Used:
    async with db.cursor(row_factory=args_row(Used)) as cursor:
        await cursor.execute(USED, {"project": project, "person": person})
        row = await cursor.fetchone()
    return row or Used(0, 0, 0)
