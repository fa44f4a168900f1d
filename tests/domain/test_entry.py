from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from domain.entry import (
    LONGEST_KEY,
    MAX_KEYS,
    MAX_SCOPE,
    MAX_SCOPES,
    ApiKeyCreated,
    ApiKeyRevoked,
    CreateApiKey,
    EndStolen,
    RefreshTokenReused,
    RevokeApiKey,
    SignOutEverywhere,
    UserSignedOut,
    UserSignedOutEverywhere,
)
from domain.kernel import fold
from domain.user import USER, Role, UserRegistered
from infra.runtime import uuid7
from tests.dsl import check, refused

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ANN = UserRegistered(email="ann@x.io", name="Ann", role=Role.MEMBER, at=NOW)
SECOND = timedelta(seconds=1)
EARLIER, LATER = (uuid7(at) for at in (NOW - SECOND, NOW + SECOND))  # log-ins
KEY = uuid7(NOW - SECOND)
CREATE = CreateApiKey(
    key=KEY, name="export", scopes=("read",), expires=NOW + timedelta(days=90), at=NOW
)
CREATED = ApiKeyCreated(
    key=KEY, name="export", scopes=("read",), expires=CREATE.expires, at=CREATE.at
)


def create(**changes: object) -> CreateApiKey:
    return msgspec.structs.replace(CREATE, **changes)


def test_to_sign_out_everywhere_ends_what_began_by_then() -> None:
    over = UserSignedOutEverywhere(at=NOW)
    check(USER, given=[ANN], when=SignOutEverywhere(at=NOW), then=[over])
    entry = fold(USER, [ANN, over]).entry
    assert entry.ended(EARLIER)
    assert not entry.ended(LATER)


def test_a_login_whose_token_was_stolen_ends_once() -> None:
    over = [RefreshTokenReused(session=LATER), UserSignedOut(session=LATER, at=NOW)]
    check(USER, given=[ANN], when=EndStolen(session=LATER, at=NOW), then=over)
    check(USER, given=[ANN, *over], when=EndStolen(session=LATER, at=NOW), then=[])
    assert fold(USER, [ANN, *over]).entry.ended(LATER)


def test_a_login_may_end_by_itself_before_and_after_all_others() -> None:
    ended = [UserSignedOut(session=LATER, at=NOW), UserSignedOutEverywhere(at=NOW)]
    for events in (ended, ended[::-1], ended[:1]):
        assert fold(USER, [ANN, *events]).entry.ended(LATER)


def test_a_key_outlives_log_outs_until_it_is_revoked() -> None:
    events = [ANN, CREATED, UserSignedOutEverywhere(at=NOW)]
    assert not fold(USER, events).entry.ended(KEY)
    check(USER, given=events, when=RevokeApiKey(key=KEY), then=[ApiKeyRevoked(key=KEY)])
    entry = fold(USER, [*events, ApiKeyRevoked(key=KEY)]).entry
    assert entry.ended(KEY)
    assert not entry.api_keys


def test_a_key_is_made_once_and_revoked_once() -> None:
    check(USER, given=[ANN], when=CREATE, then=[CREATED])
    check(USER, given=[ANN, CREATED], when=CREATE, then=refused("api_key.exists"))
    gone = [ANN, CREATED, ApiKeyRevoked(key=KEY)]
    check(USER, given=gone, when=CREATE, then=refused("api_key.exists"))
    check(USER, given=gone, when=RevokeApiKey(key=KEY), then=refused("api_key.not_found"))


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (create(name=" "), "api_key.bad_name"),
        (create(name="x" * 121), "api_key.bad_name"),
        (create(name="a\x00"), "text.has_nul"),
        (create(scopes=()), "api_key.bad_scopes"),
        (create(scopes=("read",) * (MAX_SCOPES + 1)), "api_key.bad_scopes"),
        (create(scopes=("x" * (MAX_SCOPE + 1),)), "api_key.bad_scope"),
        (create(scopes=("\x00",)), "text.has_nul"),
        (create(expires=NOW), "api_key.bad_expires"),
        (create(expires=NOW + LONGEST_KEY + SECOND), "api_key.bad_expires"),
    ],
)
def test_what_a_key_says_is_bounded(command: CreateApiKey, code: str) -> None:
    check(USER, given=[ANN], when=command, then=refused(code))


def test_a_person_has_so_many_keys() -> None:
    keys = [msgspec.structs.replace(CREATED, key=UUID(int=number)) for number in range(MAX_KEYS)]
    check(USER, given=[ANN, *keys], when=CREATE, then=refused("api_key.too_many"))
    check(USER, given=[ANN, *keys[1:]], when=CREATE, then=[CREATED])
