"""Credentials and refresh tokens: what lets people in, and must not be in the log."""

import hashlib
import secrets
from datetime import datetime
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from infra.db import Connection, Pool


class Grant(msgspec.Struct, frozen=True):
    """A log-in: whose it is, and the family its refresh tokens belong to."""

    family: UUID
    user_id: UUID


class TokenReused(Exception):
    """The token had been used before: whoever holds its family's newest one is out as well."""


async def set_hash(db: Pool, user: UUID, hashed: str) -> None:
    async with db.connection() as connection:
        await connection.execute(
            "INSERT INTO formula_credentials (user_id, hash) VALUES (%s, %s)"
            " ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash,"
            " changed_at = clock_timestamp()",
            (user, hashed),
        )


async def hash_of(db: Pool, user: UUID) -> str | None:
    async with db.connection() as connection:
        cursor = await connection.execute(
            "SELECT hash FROM formula_credentials WHERE user_id = %s", (user,)
        )
        row = await cursor.fetchone()
    return row[0] if row else None


async def issue(db: Pool, grant: Grant, expires: datetime) -> str:
    """The first refresh token of a log-in. Only its hash is kept."""
    token = secrets.token_urlsafe(32)
    async with db.connection() as connection:
        await connection.execute(
            "INSERT INTO formula_refresh_tokens (token_hash, family, user_id, expires_at)"
            " VALUES (%s, %s, %s, %s)",
            (_digest(token), grant.family, grant.user_id, expires),
        )
    return token


# One statement, so that nobody can revoke the family between the old token and the new one.
ROTATE = """
WITH spent AS (
    UPDATE formula_refresh_tokens SET used_at = clock_timestamp()
    WHERE token_hash = %(old)s AND used_at IS NULL AND revoked_at IS NULL
        AND expires_at > clock_timestamp()
    RETURNING family, user_id
)
INSERT INTO formula_refresh_tokens (token_hash, family, user_id, expires_at)
SELECT %(new)s, family, user_id, %(expires)s FROM spent
RETURNING family, user_id
"""

FAMILY_OF_SPENT = """
SELECT family, user_id FROM formula_refresh_tokens
WHERE token_hash = %(old)s AND used_at IS NOT NULL
"""


async def rotate(db: Pool, token: str, expires: datetime) -> tuple[str, Grant] | None:
    """Spend a refresh token for the next one; None if it is unknown, expired or revoked.

    Raises TokenReused if it was spent before: one of its two users stole it, so the whole
    family is revoked.
    """
    fresh = secrets.token_urlsafe(32)
    values = {"old": _digest(token), "new": _digest(fresh), "expires": expires}
    async with (
        db.connection() as connection,
        connection.cursor(row_factory=class_row(Grant)) as cursor,
    ):
        await cursor.execute(ROTATE, values)
        grant = await cursor.fetchone()
        if grant is not None:
            return fresh, grant
        await cursor.execute(FAMILY_OF_SPENT, values)
        reused = await cursor.fetchone()
        if reused is None:
            return None
        await _revoke(connection, reused.family)
    raise TokenReused


async def revoke_family(db: Pool, family: UUID) -> None:
    """End one log-in: its refresh token is worth nothing any more."""
    async with db.connection() as connection:
        await _revoke(connection, family)


async def revoke_user(db: Pool, user: UUID) -> None:
    """End every log-in of somebody."""
    async with db.connection() as connection, connection.transaction():
        await connection.execute(
            "SELECT FROM formula_refresh_tokens WHERE user_id = %s ORDER BY token_hash FOR UPDATE",
            (user,),
        )
        await connection.execute(
            "UPDATE formula_refresh_tokens SET revoked_at = clock_timestamp()"
            " WHERE user_id = %s AND revoked_at IS NULL",
            (user,),
        )


async def _revoke(connection: Connection, family: UUID) -> None:
    """Waits for a rotation under way first: the second statement then sees the token it made."""
    async with connection.transaction():
        await connection.execute(
            "SELECT FROM formula_refresh_tokens WHERE family = %s ORDER BY token_hash FOR UPDATE",
            (family,),
        )
        await connection.execute(
            "UPDATE formula_refresh_tokens SET revoked_at = clock_timestamp()"
            " WHERE family = %s AND revoked_at IS NULL",
            (family,),
        )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def forget_expired(db: Connection) -> int:
    """Refresh tokens that nobody can use any more; how many."""
    cursor = await db.execute(
        "DELETE FROM formula_refresh_tokens WHERE expires_at < clock_timestamp()"
    )
    return cursor.rowcount
