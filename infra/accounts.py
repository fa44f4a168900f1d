"""Credentials and refresh tokens: what lets people in, and must not be in the log."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from datetime import datetime
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from infra.db import Connection, Pool
from infra.keys import key_for

GRACE_S = 10  # in which a token that was spent gives the same next one: the answer may be lost


class Grant(msgspec.Struct, frozen=True):
    """A log-in: whose it is, and the family its refresh tokens belong to."""

    family: UUID
    user_id: UUID


class Device(msgspec.Struct, frozen=True):
    """Where a log-in is used from, as people recognise it."""

    address: str = ""
    user_agent: str = ""


class LogIn(msgspec.Struct, frozen=True):
    """One that goes on; `seen_at`: when it last got a token, from that address."""

    id: UUID
    started_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    user_agent: str


class TokenReused(Exception):
    """The token had been used before: whoever holds its family's newest one is out as well.

    `living`: the log-in went on until then.
    """

    def __init__(self, grant: Grant, living: bool) -> None:
        super().__init__(grant)
        self.grant, self.living = grant, living


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


async def password_since(db: Pool, user: UUID) -> str | None:
    """Another one for each password: what to bind to where nobody may read the hash."""
    async with db.connection() as connection:
        cursor = await connection.execute(
            "SELECT extract(epoch FROM changed_at)::text FROM formula_credentials"
            " WHERE user_id = %s",
            (user,),
        )
        row = await cursor.fetchone()
    return row[0] if row else None


async def change_hash(db: Pool, user: UUID, old: str, new: str) -> bool:
    """Whether it was the old one until now: of two who change it at once, one does."""
    async with db.connection() as connection:
        cursor = await connection.execute(
            "UPDATE formula_credentials SET hash = %(new)s, changed_at = clock_timestamp()"
            " WHERE user_id = %(user)s AND hash = %(old)s",
            {"user": user, "old": old, "new": new},
        )
    return cursor.rowcount == 1


# The lock keeps another password waiting until the token is there to be revoked.
ISSUE = """
INSERT INTO formula_refresh_tokens
    (token_hash, family, user_id, expires_at, address, user_agent)
SELECT %(new)s, %(family)s, user_id, %(expires)s, %(address)s, %(user_agent)s
FROM formula_credentials WHERE user_id = %(user_id)s AND hash = %(checked)s
FOR SHARE
"""


async def issue(
    db: Pool, grant: Grant, checked: str, expires: datetime, device: Device
) -> str | None:
    """The first refresh token of a log-in, of which only the hash is kept.

    None where the hash that the password was checked against is not the person's any more.
    """
    token = secrets.token_urlsafe(32)
    values = {
        "new": _digest(token),
        "checked": checked,
        "expires": expires,
        **msgspec.structs.asdict(grant),
        **msgspec.structs.asdict(device),
    }
    async with db.connection() as connection:
        cursor = await connection.execute(ISSUE, values)
    return token if cursor.rowcount else None


# One statement, so that nobody can revoke the family between the old token and the new one.
ROTATE = """
WITH spent AS (
    UPDATE formula_refresh_tokens SET used_at = clock_timestamp()
    WHERE token_hash = %(old)s AND used_at IS NULL AND revoked_at IS NULL
        AND expires_at > clock_timestamp()
    RETURNING family, user_id, started_at
)
INSERT INTO formula_refresh_tokens
    (token_hash, family, user_id, expires_at, started_at, address, user_agent)
SELECT %(new)s, family, user_id, %(expires)s, started_at, %(address)s, %(user_agent)s FROM spent
RETURNING family, user_id
"""

# Its next one, as long as nobody has used that either.
AGAIN = """
SELECT spent.family, spent.user_id
FROM formula_refresh_tokens spent JOIN formula_refresh_tokens next ON next.token_hash = %(new)s
WHERE spent.token_hash = %(old)s
    AND spent.used_at > clock_timestamp() - make_interval(secs => %(grace_s)s)
    AND next.used_at IS NULL AND next.revoked_at IS NULL
"""

FAMILY_OF_SPENT = """
SELECT family, user_id FROM formula_refresh_tokens
WHERE token_hash = %(old)s AND used_at IS NOT NULL
"""


async def rotate(
    db: Pool, secret: str, token: str, expires: datetime, device: Device
) -> tuple[str, Grant] | None:
    """Spend a refresh token for the next one; None if it is unknown, expired or revoked.

    The next is made from the one before, so whoever lost the answer, or asked twice at once, gets
    it again. Raises TokenReused if it was spent before that: one of its two users stole it, so the
    whole family is revoked.
    """
    fresh = _next(token, secret)
    values = {
        "old": _digest(token),
        "new": _digest(fresh),
        "expires": expires,
        "grace_s": GRACE_S,
        **msgspec.structs.asdict(device),
    }
    async with (
        db.connection() as connection,
        connection.cursor(row_factory=class_row(Grant)) as cursor,
    ):
        for statement in (ROTATE, AGAIN):
            await cursor.execute(statement, values)
            grant = await cursor.fetchone()
            if grant is not None:
                return fresh, grant
        await cursor.execute(FAMILY_OF_SPENT, values)
        reused = await cursor.fetchone()
        if reused is None:
            return None
        living = await _revoke(connection, reused.family)
    raise TokenReused(reused, living)


def _next(token: str, secret: str) -> str:
    made = hmac.digest(key_for("refresh token", secret), token.encode(), "sha256")
    return urlsafe_b64encode(made).rstrip(b"=").decode()


LIVING = """
SELECT family AS id, started_at, issued_at AS seen_at, expires_at, address, user_agent
FROM formula_refresh_tokens
WHERE user_id = %(user)s AND used_at IS NULL AND revoked_at IS NULL
    AND expires_at > clock_timestamp()
ORDER BY issued_at DESC LIMIT %(limit)s
"""


async def living(db: Pool, user: UUID, limit: int) -> list[LogIn]:
    """Somebody's log-ins that go on, the last used first."""
    async with (
        db.connection() as connection,
        connection.cursor(row_factory=class_row(LogIn)) as cursor,
    ):
        await cursor.execute(LIVING, {"user": user, "limit": limit})
        return await cursor.fetchall()


async def owns(db: Pool, user: UUID, family: UUID) -> bool:
    """Whether it is a log-in of theirs, over or not."""
    async with db.connection() as connection:
        cursor = await connection.execute(
            "SELECT FROM formula_refresh_tokens WHERE family = %s AND user_id = %s LIMIT 1",
            (family, user),
        )
        return await cursor.fetchone() is not None


async def has_come_from(db: Pool, user: UUID, address: str) -> bool:
    """Whether they have signed in from there, as far back as tokens are kept."""
    async with db.connection() as connection:
        cursor = await connection.execute(
            "SELECT FROM formula_refresh_tokens WHERE user_id = %s AND address = %s LIMIT 1",
            (user, address),
        )
        return await cursor.fetchone() is not None


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


async def _revoke(connection: Connection, family: UUID) -> bool:
    """Whether there was something to revoke.

    Waits for a rotation under way first: the second statement then sees the token it made.
    """
    async with connection.transaction():
        await connection.execute(
            "SELECT FROM formula_refresh_tokens WHERE family = %s ORDER BY token_hash FOR UPDATE",
            (family,),
        )
        cursor = await connection.execute(
            "UPDATE formula_refresh_tokens SET revoked_at = clock_timestamp()"
            " WHERE family = %s AND revoked_at IS NULL",
            (family,),
        )
    return cursor.rowcount > 0


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def forget_expired(db: Connection) -> int:
    """Refresh tokens that nobody can use any more; how many."""
    cursor = await db.execute(
        "DELETE FROM formula_refresh_tokens WHERE expires_at < clock_timestamp()"
    )
    return cursor.rowcount
