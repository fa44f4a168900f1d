"""API keys of machines: `fk_<id>_<secret>`. Only the secret's hash is kept; the log has all else.

Whose a key is never changes, so it is asked for once in a process. Whether it still holds is the
owner's state to say, each time.
"""

import secrets
import time
from collections import OrderedDict
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from uuid import UUID

import msgspec

from infra.db import Pool

PREFIX = "fk_"
ID, SECRET = 32, 43  # characters: a UUID in hexadecimal, 32 random bytes in base64
KNOWN = 10_000  # keys that a process remembers
USED_S = 60.0  # so exact is "last used"


class _Known(msgspec.Struct):
    user: UUID
    hash: bytes
    used: float


class Owned(msgspec.Struct, frozen=True):
    key: UUID
    user: UUID


def make(key: UUID) -> tuple[str, bytes]:
    """The key's text, and what is kept of it."""
    secret = secrets.token_urlsafe(32)
    return f"{PREFIX}{key.hex}_{secret}", sha256(secret.encode()).digest()


class ApiKeys:
    """Those that came by, newest last."""

    def __init__(self, db: Pool) -> None:
        self._db = db
        self._known: OrderedDict[UUID, _Known] = OrderedDict()

    def knows(self, token: str) -> bool:
        """Whether `owner` need not ask the database."""
        parts = _parts(token)
        return parts is None or parts[0] in self._known

    async def owner(self, token: str) -> Owned | None:
        """Whose key it is; None for what is none."""
        parts = _parts(token)
        if parts is None:
            return None
        key, secret = parts
        known = self._known.get(key) or await self._read(key)
        given = sha256(secret.encode()).digest()
        if known is None or not compare_digest(known.hash, given):
            return None
        self._known.move_to_end(key)
        if time.monotonic() - known.used > USED_S:
            known.used = time.monotonic()
            await self._note_use(key)
        return Owned(key, known.user)

    async def _read(self, key: UUID) -> _Known | None:
        async with self._db.connection() as db:
            cursor = await db.execute(
                "SELECT user_id, hash FROM formula_api_keys WHERE id = %s", (key,)
            )
            row = await cursor.fetchone()
        if row is None:
            return None
        known = self._known[key] = _Known(row[0], row[1], float("-inf"))
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return known

    async def _note_use(self, key: UUID) -> None:
        async with self._db.connection() as db:
            await db.execute(
                "UPDATE formula_api_keys SET used_at = clock_timestamp() WHERE id = %s", (key,)
            )

    async def used(self, user: UUID) -> dict[UUID, datetime]:
        """When each of somebody's keys was last used, within a minute."""
        async with self._db.connection() as db:
            cursor = await db.execute(
                "SELECT id, used_at FROM formula_api_keys"
                " WHERE user_id = %s AND used_at IS NOT NULL",
                (user,),
            )
            return dict(await cursor.fetchall())

    async def keep(self, key: UUID, user: UUID, hashed: bytes) -> None:
        async with self._db.connection() as db:
            await db.execute(
                "INSERT INTO formula_api_keys (id, user_id, hash) VALUES (%s, %s, %s)",
                (key, user, hashed),
            )


def _parts(token: str) -> tuple[UUID, str] | None:
    if not token.startswith(PREFIX) or len(token) != len(PREFIX) + ID + 1 + SECRET:
        return None
    named, line, secret = token[len(PREFIX) :][:ID], token[len(PREFIX) + ID], token[-SECRET:]
    try:
        return (UUID(hex=named), secret) if line == "_" and secret.isascii() else None
    except ValueError:
        return None
