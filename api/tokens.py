"""Access tokens: what is signed into them, and reading them back."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import jwt
import msgspec
from msgspec import Meta

from domain.errors import Refused
from domain.user import Role

ISSUER = AUDIENCE = "formula"
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


def sign(content: Claims, secret: str) -> str:
    return jwt.encode(msgspec.to_builtins(content), secret, algorithm=ALGORITHM)


def read(token: str, secret: str, now: datetime) -> Claims:
    """A token's claims. Raises NotAuthenticated: auth.missing, auth.bad_token, auth.expired.

    The end is compared here and not by the library, whose clock is the machine's.
    """
    if not token:
        raise NotAuthenticated("auth.missing")
    try:
        content = jwt.decode(
            token,
            secret,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        found = msgspec.convert(content, Claims)
    except (jwt.InvalidTokenError, msgspec.ValidationError) as error:
        raise NotAuthenticated("auth.bad_token") from error
    if found.expires <= now:
        raise NotAuthenticated("auth.expired")
    return found
