"""Access tokens: what is signed into them, and reading them back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hmac import compare_digest, digest
from typing import Annotated, Literal
from uuid import UUID

import jwt
import msgspec
from msgspec import Meta

from domain.errors import Refused
from domain.user import Role

US = "formula"  # who issues them, and for whom
ALGORITHM = "HS256"
LATEST = 253_402_300_799  # seconds: the end of the year 9999


class NotAuthenticated(Refused):
    """Nobody is known to be asking."""


class Claims(msgspec.Struct, frozen=True):
    """An access token's content (RFC 7519); `sid` is the log-in's family of refresh tokens."""

    sub: UUID
    role: Role  # for clients to look at; what counts is the user's role now
    sid: UUID
    jti: UUID
    iat: int
    exp: Annotated[int, Meta(ge=0, le=LATEST)]
    iss: Literal["formula"]
    aud: Literal["formula"]

    @property
    def expires(self) -> datetime:
        return datetime.fromtimestamp(self.exp, UTC)


class Header(msgspec.Struct, frozen=True):
    """What a token says of itself: that it is signed in the one way there is."""

    alg: Literal["HS256"]
    crit: None = None  # of what must be understood nothing is (RFC 7515, 4.1.11)


_header, _claims = msgspec.json.Decoder(Header), msgspec.json.Decoder(Claims)


def claims(user: UUID, role: Role, session: UUID, token: UUID, now: datetime, ttl_s: int) -> Claims:
    return Claims(
        sub=user,
        role=role,
        sid=session,
        jti=token,
        iat=int(now.timestamp()),
        exp=int((now + timedelta(seconds=ttl_s)).timestamp()),
        iss=US,
        aud=US,
    )


def sign(content: Claims, secret: str) -> str:
    return jwt.encode(msgspec.to_builtins(content), secret, algorithm=ALGORITHM)


def read(token: str, secret: str, now: datetime) -> Claims:
    """A token's claims. Raises NotAuthenticated: auth.missing, auth.bad_token, auth.expired.

    By hand, for each request and each connection has one: a library for tokens of all kinds takes
    ten times as long to read the one kind there is.
    """
    if not token:
        raise NotAuthenticated("auth.missing")
    try:
        found = _verified(token.encode(), secret.encode())
    except ValueError as error:  # of base64 and JSON too
        raise NotAuthenticated("auth.bad_token") from error
    if found.expires <= now:
        raise NotAuthenticated("auth.expired")
    return found


def _verified(token: bytes, secret: bytes) -> Claims:
    """Raises ValueError. Nothing is looked at before the signature (RFC 7515, 5.2)."""
    signed, _, signature = token.rpartition(b".")
    ours = urlsafe_b64encode(digest(secret, signed, "sha256")).rstrip(b"=")
    if not compare_digest(ours, signature):
        raise ValueError("signed otherwise")
    header, claims = (
        urlsafe_b64decode(part + b"=" * (-len(part) % 4)) for part in signed.split(b".")
    )
    _header.decode(header)
    return _claims.decode(claims)
