from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import msgspec
import pytest

from api import tokens
from api.tokens import NotAuthenticated
from domain.user import Role

SECRET = "a-secret-that-is-long-enough-for-hs256"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN, LOGIN, TOKEN = UUID(int=1), UUID(int=2), UUID(int=3)
CLAIMS = tokens.claims(ANN, Role.MEMBER, LOGIN, TOKEN, NOW, 900)


def refused(token: str, now: datetime = NOW, secret: str = SECRET) -> str:
    with pytest.raises(NotAuthenticated) as caught:
        tokens.read(token, secret, now)
    return caught.value.code


def forged(changes: dict[str, object], algorithm: str = "HS256") -> str:
    content = {**msgspec.to_builtins(CLAIMS), **changes}
    content = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(content, SECRET if algorithm == "HS256" else "", algorithm=algorithm)


def test_a_signed_token_says_who_it_is_and_until_when() -> None:
    read = tokens.read(tokens.sign(CLAIMS, SECRET), SECRET, NOW)
    assert read == CLAIMS
    assert read.expires == NOW + timedelta(seconds=900)


def test_a_token_ends_at_its_time_and_not_before() -> None:
    token = tokens.sign(CLAIMS, SECRET)
    assert tokens.read(token, SECRET, NOW + timedelta(seconds=899)) == CLAIMS
    assert refused(token, NOW + timedelta(seconds=900)) == "auth.expired"


def test_no_token_is_missing() -> None:
    assert refused("") == "auth.missing"


def test_another_secret_does_not_read_it() -> None:
    token = tokens.sign(CLAIMS, SECRET)
    assert refused(token, secret="another-secret-that-is-long-enough-too") == "auth.bad_token"


def test_an_unsigned_token_is_refused() -> None:
    assert refused(forged({}, "none")) == "auth.bad_token"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"aud": "something"},
        {"sub": "not a uuid"},
        {"role": "emperor"},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 10**30},
        {"sid": None},
    ],
)
def test_a_token_with_other_claims_is_refused(changes: dict[str, object]) -> None:
    assert refused(forged(changes)) == "auth.bad_token"


@pytest.mark.parametrize("token", ["x", "a.b.c", "é.é.é", "..", "e30.e30.e30"])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refused(token) == "auth.bad_token"
