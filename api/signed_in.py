"""What a log-in gives, as the API answers it and the client reads it."""

from uuid import UUID

import msgspec

from domain.user import Role


class Me(msgspec.Struct, frozen=True):
    """Who one is signed in as."""

    id: UUID
    email: str
    name: str
    role: Role
    department: str
    email_verified: bool = False


class Session(msgspec.Struct, frozen=True):
    """What a log-in gives; the refresh token works once and brings the next one."""

    access_token: str
    refresh_token: str
    expires_in: int  # seconds
    user: Me
    device: str = ""  # to be said at the next log-in, so that nobody else's wrong guesses count
    token_type: str = "Bearer"  # noqa: S105, the scheme's name
