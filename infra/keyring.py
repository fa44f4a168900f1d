"""The keys that access tokens are signed with and checked by, as every node knows them.

Ed25519 pairs in the database, and JWT_SECRET itself (HS256) until there is one. A new pair signs
only once every node must have heard of it, so none is ever asked about a key it does not know; an
older one holds until the last token that it signed is over. Each key has one algorithm: what a
token says of itself decides nothing.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise

import msgspec
import psycopg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from psycopg_pool import PoolTimeout

from infra.db import Pool
from infra.settings import Settings, SettingsError
from infra.signing_keys import Pair, read_pairs

EDDSA, HS256 = "EdDSA", "HS256"
POLL_S = 2.0
SKEW_S = 30  # that a token's clock may be ahead of ours

log = structlog.get_logger()


class Key(msgspec.Struct, frozen=True):
    """`until`: nothing that it signed lasts longer; None: it signs, or will."""

    kid: str
    algorithm: str
    signs: Ed25519PrivateKey | bytes
    checks: Ed25519PublicKey | bytes
    since: datetime | None = None
    until: datetime | None = None


class Keyring:
    """Read from the database at the start and every two seconds; asked without waiting."""

    def __init__(self, settings: Settings) -> None:
        self._secrets = [one for one in (settings.jwt_secret, settings.jwt_secret_old) if one]
        self._lasts = timedelta(seconds=settings.jwt_access_ttl_s + SKEW_S)
        self._pairs: Sequence[Pair] | None = None
        self._keys: dict[str, Key] = {}
        self.hold([])

    def signing(self, now: datetime) -> Key:
        """The newest whose time has come. Raises SettingsError where there is none."""
        for key in reversed(self._keys.values()):
            begun = key.since is None or key.since <= now
            if begun and (key.until is None or now < key.until - self._lasts):
                return key
        raise SettingsError("no key signs access tokens: run `formula keys rotate`")

    def checking(self, kid: object, now: datetime) -> Key | None:
        key = self._keys.get(kid) if isinstance(kid, str) else None
        return key if key is not None and (key.until is None or now < key.until) else None

    def public(self, now: datetime) -> list[Key]:
        """What others may check tokens by, oldest first; those to come as well."""
        held = [key for key in self._keys.values() if key.algorithm == EDDSA]
        return [key for key in held if key.until is None or now < key.until]

    def hold(self, pairs: Sequence[Pair]) -> None:
        """These are all. What no secret of ours opens could be planted: it is left out."""
        if pairs == self._pairs:
            return
        self._pairs = pairs
        known = [(pair, opened) for pair in pairs if (opened := pair.open(self._secrets))]
        signed = [pair.signs_from for pair, _ in known if pair.ever_signs]
        keys = [self._shared(secret, min(signed, default=None)) for secret in self._secrets[::-1]]
        held = [(pair, private) for pair, private in known if pair.retired_at is None]
        ends = [after.signs_from + self._lasts for (_, _), (after, _) in pairwise(held)]
        for (pair, private), until in zip(held, [*ends, None], strict=False):
            public = private.public_key()
            keys.append(Key(pair.kid, EDDSA, private, public, pair.signs_from, until))
        self._keys = {key.kid: key for key in keys}

    def _shared(self, secret: str, replaced: datetime | None) -> Key:
        kid = f"hs-{sha256(f'formula kid {secret}'.encode()).hexdigest()[:16]}"
        until = None if replaced is None else replaced + self._lasts
        return Key(kid, HS256, secret.encode(), secret.encode(), until=until)

    async def load(self, db: Pool) -> None:
        async with db.connection() as connection:
            self.hold(await read_pairs(connection))

    async def run(self, db: Pool) -> None:
        """Hear of rotations, until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self.load(db)
            except (psycopg.Error, PoolTimeout) as error:
                log.warning("keys_not_read", error=repr(error))
