"""How a person comes in: which of their log-ins are over, and the API keys of their machines."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec

from domain.errors import Invalid, NotFound, WrongState
from domain.kernel import Command, Event
from domain.text import checked

LONGEST_ACCESS = timedelta(days=1, minutes=5)  # life of an access token, clocks apart included
SIGN_OUTS = 2_000  # remembered of a person at most, of that time
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)  # of a key: it is refused without
MAX_KEY_NAME = 120  # characters
MAX_KEYS = 50  # API keys of a person
MAX_SCOPES = 100  # of a key
MAX_SCOPE = 60  # characters
MILLISECONDS = 80  # bits of a session's id below its begin (UUID version 7)
LONGEST_KEY = timedelta(days=366)


class UserSignedOut(Event, frozen=True, kw_only=True, tag="user.signed_out.v2"):
    session: UUID  # of the log-in that has ended; others of the same person go on
    at: datetime


class RefreshTokenReused(Event, frozen=True, kw_only=True, tag="user.token_reused.v1"):
    """A spent token of the log-in was used again, so somebody has stolen it; the log-in ends."""

    session: UUID


class UserSignedOutEverywhere(
    Event, frozen=True, kw_only=True, tag="user.signed_out_everywhere.v1"
):
    """Every log-in that began by then has ended; API keys go on."""

    at: datetime


class ApiKeyCreated(Event, frozen=True, kw_only=True, tag="user.api_key_created.v1"):
    """The secret's hash is kept outside the log."""

    key: UUID
    name: str
    scopes: tuple[str, ...]
    expires: datetime
    at: datetime


class ApiKeyRevoked(Event, frozen=True, kw_only=True, tag="user.api_key_revoked.v1"):
    key: UUID


class SignOut(Command, frozen=True, kw_only=True, tag="sign_out"):
    session: UUID
    at: datetime


class EndStolen(Command, frozen=True, kw_only=True, tag="end_stolen"):
    """The log-in whose refresh token was used again."""

    session: UUID
    at: datetime


class SignOutEverywhere(Command, frozen=True, kw_only=True, tag="sign_out_everywhere"):
    at: datetime


class CreateApiKey(Command, frozen=True, kw_only=True, tag="create_api_key"):
    key: UUID
    name: str
    scopes: tuple[str, ...]
    expires: datetime
    at: datetime


class RevokeApiKey(Command, frozen=True, kw_only=True, tag="revoke_api_key"):
    key: UUID


EntryEvent: TypeAlias = (
    UserSignedOut | RefreshTokenReused | UserSignedOutEverywhere | ApiKeyCreated | ApiKeyRevoked
)
EntryCommand: TypeAlias = SignOut | EndStolen | SignOutEverywhere | CreateApiKey | RevokeApiKey


class ApiKey(msgspec.Struct, frozen=True):
    """A machine's way in, with the rights of its owner as far as its scopes go."""

    name: str
    scopes: tuple[str, ...]
    expires: datetime
    at: datetime


class Entry(msgspec.Struct, frozen=True):
    signed_out: Mapping[UUID, datetime] = {}  # sessions that have ended, newest last
    signed_out_at: datetime | None = None  # those that began by then have ended as well
    api_keys: Mapping[UUID, ApiKey] = {}

    def ended(self, session: UUID) -> bool:
        """Whether a log-in is over. An API key's id stands for its session: it outlives others."""
        if session in self.signed_out or self.signed_out_at is None:
            return session in self.signed_out
        by = int(self.signed_out_at.timestamp() * 1_000)
        return session not in self.api_keys and session.int >> MILLISECONDS <= by


def decide(command: EntryCommand, entry: Entry) -> list[EntryEvent]:
    match command:
        case SignOut(session=session, at=at):
            return [] if session in entry.signed_out else [UserSignedOut(session=session, at=at)]
        case EndStolen(session=session, at=at):
            return _stolen(session, at, entry)
        case SignOutEverywhere(at=at):
            return [UserSignedOutEverywhere(at=at)]
        case CreateApiKey():
            return _create(command, entry)
        case RevokeApiKey(key=key):
            if key not in entry.api_keys:
                raise NotFound("api_key.not_found", key=key)
            return [ApiKeyRevoked(key=key)]
        case _:
            assert_never(command)


def _stolen(session: UUID, at: datetime, entry: Entry) -> list[EntryEvent]:
    if session in entry.signed_out:
        return []
    return [RefreshTokenReused(session=session), UserSignedOut(session=session, at=at)]


def _create(command: CreateApiKey, entry: Entry) -> list[EntryEvent]:
    if command.key in entry.api_keys or command.key in entry.signed_out:
        raise WrongState("api_key.exists")
    if len(entry.api_keys) >= MAX_KEYS:
        raise WrongState("api_key.too_many", most=MAX_KEYS)
    if not timedelta() < command.expires - command.at <= LONGEST_KEY:
        raise Invalid("api_key.bad_expires", most_days=LONGEST_KEY.days)
    if not 0 < len(command.scopes) <= MAX_SCOPES:
        raise Invalid("api_key.bad_scopes", most=MAX_SCOPES)
    scopes = dict.fromkeys(checked(one, "api_key.bad_scope", MAX_SCOPE) for one in command.scopes)
    return [
        ApiKeyCreated(
            key=command.key,
            name=checked(command.name, "api_key.bad_name", MAX_KEY_NAME),
            scopes=tuple(scopes),
            expires=command.expires,
            at=command.at,
        )
    ]


def evolve(entry: Entry, event: EntryEvent) -> Entry:
    match event:
        case UserSignedOut(session=session, at=at):
            return _signed_out(entry, session, at)
        case RefreshTokenReused():
            return entry
        case UserSignedOutEverywhere(at=at):
            return msgspec.structs.replace(entry, signed_out_at=at)
        case ApiKeyCreated(key=key):
            made = ApiKey(event.name, event.scopes, event.expires, event.at)
            return msgspec.structs.replace(entry, api_keys={**entry.api_keys, key: made})
        case ApiKeyRevoked(key=key):
            left = {one: kept for one, kept in entry.api_keys.items() if one != key}
            return msgspec.structs.replace(_signed_out(entry, key, LONG_AGO), api_keys=left)
        case _:
            assert_never(event)


def _signed_out(entry: Entry, session: UUID, at: datetime) -> Entry:
    """Forgets those whose access tokens have run out."""
    young = [(one, ended) for one, ended in entry.signed_out.items() if at - ended < LONGEST_ACCESS]
    kept = dict([*young, (session, at)][-SIGN_OUTS:])
    return msgspec.structs.replace(entry, signed_out=kept)
