"""Tokens that were checked before are no less checked."""

from datetime import timedelta

import pytest

from api import tokens, verified
from api.tokens import NotAuthenticated
from tests.api.test_tokens import CLAIMS, NOW, SECRET

ANOTHER = "another-secret-that-is-long-enough-too"
TOKEN = tokens.sign(CLAIMS, SECRET)


@pytest.fixture(autouse=True)
def known() -> None:
    assert verified.read(TOKEN, SECRET, NOW) == CLAIMS


def refused(token: str, secret: str = SECRET, seconds: int = 0) -> str:
    with pytest.raises(NotAuthenticated) as caught:
        verified.read(token, secret, NOW + timedelta(seconds=seconds))
    return caught.value.code


def test_it_says_again_what_it_said() -> None:
    assert verified.read(TOKEN, SECRET, NOW + timedelta(seconds=899)) == CLAIMS


def test_it_ends_at_its_time() -> None:
    assert refused(TOKEN, seconds=900) == "auth.expired"
    assert verified.read(TOKEN, SECRET, NOW) == CLAIMS


def test_another_secret_does_not_know_it() -> None:
    assert refused(TOKEN, ANOTHER) == "auth.bad_token"


def test_whatever_is_changed_is_another_token() -> None:
    head, content, signature = TOKEN.split(".")
    assert refused(f"{head}.{content}.{signature[::-1]}") == "auth.bad_token"
    assert refused(f"{head}.{content}.") == "auth.bad_token"
    assert refused("") == "auth.missing"


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "MOST", 1)
    other = tokens.sign(
        tokens.claims(CLAIMS.sub, CLAIMS.role, CLAIMS.sid, CLAIMS.sid, NOW, 9), SECRET
    )
    for token in (other, TOKEN, other):
        assert verified.read(token, SECRET, NOW).sub == CLAIMS.sub
