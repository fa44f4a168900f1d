"""The pairs in the database that sign access tokens: made, looked through, retired."""

import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg.rows import class_row

from domain.errors import NotFound
from infra.db import Connection
from infra.keys import key_for

LEAD_S = 60  # from the making of a key to its first signature; others may keep the JWKS as long
AT_ONCE_S = -5  # for nodes whose clocks are a little behind as well
NONCE = 12  # bytes
READ = "SELECT kid, public, sealed, created_at, signs_from, retired_at FROM formula_keys"


class Pair(msgspec.Struct, frozen=True):
    kid: str
    public: bytes
    sealed: bytes
    created_at: datetime
    signs_from: datetime
    retired_at: datetime | None = None

    @property
    def ever_signs(self) -> bool:
        return self.retired_at is None or self.retired_at > self.signs_from

    def open(self, secrets: Sequence[str]) -> Ed25519PrivateKey | None:
        """The private half, by whichever secret sealed it."""
        for secret in secrets:
            try:
                seed = _seal(secret).decrypt(
                    self.sealed[:NONCE], self.sealed[NONCE:], self.kid.encode()
                )
            except (InvalidTag, ValueError):
                continue
            key = Ed25519PrivateKey.from_private_bytes(seed)
            return key if kid_of(key) == self.kid else None
        return None


def kid_of(key: Ed25519PrivateKey) -> str:
    return sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]


async def read_pairs(db: Connection) -> list[Pair]:
    """In the order in which they sign; none where the database is not migrated yet."""
    cursor = await db.execute("SELECT to_regclass('formula_keys') IS NOT NULL")
    row = await cursor.fetchone()
    if row is None or not row[0]:
        return []
    async with db.cursor(row_factory=class_row(Pair)) as pairs:
        await pairs.execute(READ + " ORDER BY signs_from, kid")
        return await pairs.fetchall()


async def make_first(db: Connection, secret: str) -> str | None:
    """A pair that signs at once, where there has been none: nobody can be without it."""
    async with _alone(db):
        if await read_pairs(db):
            return None
        return await _make(db, secret, AT_ONCE_S)


async def rotate(db: Connection, secret: str) -> str:
    """Another pair, which signs in a minute: its kid. What the one before signed holds."""
    async with _alone(db):
        return await _make(db, secret, LEAD_S)


async def retire(db: Connection, secret: str, kid: str) -> str | None:
    """Nothing that this key signed holds any more. The kid of the one that signs in its place at
    once, where it was the one that did. Raises NotFound."""
    async with _alone(db):
        pairs = await read_pairs(db)
        if not any(pair.kid == kid and pair.retired_at is None for pair in pairs):
            raise NotFound("key.not_found", kid=kid)
        cursor = await db.execute(
            "UPDATE formula_keys SET retired_at = clock_timestamp() WHERE kid = %s"
            " RETURNING retired_at, signs_from <= retired_at",
            (kid,),
        )
        at, signed = await anext(cursor)
        rest = [one for one in pairs if one.kid != kid and one.retired_at is None]
        if not signed or any(one.signs_from <= at for one in rest):
            return None
        if not rest:
            return await _make(db, secret, AT_ONCE_S)
        await db.execute(
            "UPDATE formula_keys SET signs_from = %s WHERE kid = %s",
            (at + timedelta(seconds=AT_ONCE_S), rest[0].kid),
        )
        return rest[0].kid


async def _make(db: Connection, secret: str, lead_s: int) -> str:
    key = Ed25519PrivateKey.generate()
    kid, nonce = kid_of(key), os.urandom(NONCE)
    sealed = nonce + _seal(secret).encrypt(nonce, key.private_bytes_raw(), kid.encode())
    await db.execute(
        "INSERT INTO formula_keys (kid, public, sealed, signs_from) VALUES"
        " (%s, %s, %s, clock_timestamp() + make_interval(secs => %s))",
        (kid, key.public_key().public_bytes_raw(), sealed, lead_s),
    )
    return kid


def _seal(secret: str) -> AESGCM:
    return AESGCM(key_for("signing key", secret))


@asynccontextmanager
async def _alone(db: Connection) -> AsyncGenerator[None]:
    async with db.transaction():
        await db.execute("LOCK TABLE formula_keys IN SHARE ROW EXCLUSIVE MODE")
        yield
