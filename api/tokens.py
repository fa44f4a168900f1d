"""Access tokens: what is signed into them, and reading them back."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import jwt
import msgspec
from msgspec import Meta

from domain.errors import Refused
from domain.user import Role
from infra.keyring import SKEW_S, Keyring

ISSUER = AUDIENCE = "formula"
LATEST = 253_402_300_799  # seconds: the end of the year 9999
LONGEST_S = 86_400  # that a token may last, whoever signed it
MAX_TOKEN = 2_048  # characters; ours have about 500

Seconds = Annotated[int, Meta(ge=0, le=LATEST)]


class NotAuthenticated(Refused):
    """Nobody is known to be asking."""


class Claims(msgspec.Struct, frozen=True):
    """An access token's content (RFC 7519); `sid` is the log-in's family of refresh tokens."""

    sub: UUID
    role: Role  # for clients to look at; what counts is the user's role now
    sid: UUID
    jti: UUID
    iat: Seconds
    exp: Seconds
    iss: str = ISSUER
    aud: str = AUDIENCE

    @property
    def expires(self) -> datetime:
        return datetime.fromtimestamp(self.exp, UTC)


def claims(user: UUID, role: Role, session: UUID, token: UUID, now: datetime, ttl_s: int) -> Claims:
    return Claims(
        sub=user,
        role=role,
        sid=session,
        jti=token,
        iat=int(now.timestamp()),
        exp=int((now + timedelta(seconds=ttl_s)).timestamp()),
    )


def sign(content: Claims, keys: Keyring) -> str:
    """By the key that signs at the token's begin."""
    key = keys.signing(datetime.fromtimestamp(content.iat, UTC))
    body = msgspec.to_builtins(content)
    return jwt.encode(body, key.signs, algorithm=key.algorithm, headers={"kid": key.kid})


def read(token: str, keys: Keyring, now: datetime) -> Claims:
    """A token's claims. Raises NotAuthenticated: auth.missing, auth.bad_token, auth.expired.

    Times are compared here and not by the library, whose clock is the machine's. Of the header
    only `kid` counts: the key says the algorithm.
    """
    if not token:
        raise NotAuthenticated("auth.missing")
    try:
        found = _content(token, keys, now)
    except (jwt.InvalidTokenError, msgspec.ValidationError) as error:
        raise NotAuthenticated("auth.bad_token") from error
    if found.iat > now.timestamp() + SKEW_S or not 0 < found.exp - found.iat <= LONGEST_S:
        raise NotAuthenticated("auth.bad_token")
    if found.expires <= now:
        raise NotAuthenticated("auth.expired")
    return found


def _content(token: str, keys: Keyring, now: datetime) -> Claims:
    if len(token) > MAX_TOKEN:
        raise jwt.InvalidTokenError("too long")
    key = keys.checking(jwt.get_unverified_header(token).get("kid"), now)
    if key is None:
        raise jwt.InvalidTokenError("unknown key")
    content = jwt.decode(
        token,
        key.checks,
        algorithms=[key.algorithm],
        issuer=ISSUER,
        audience=AUDIENCE,
        options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
    )
    return msgspec.convert(content, Claims)
