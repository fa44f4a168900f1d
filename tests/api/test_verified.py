"""Tokens that were checked before are no less checked."""

from datetime import timedelta

import pytest

from api import tokens, verified
from api.tokens import NotAuthenticated
from infra.keyring import Keyring
from tests.api.test_tokens import CLAIMS, FIRST, MINUTE, NOW, PAIRED, SHARED, pair, ring

ANOTHER = ring(secret="another-secret-that-is-long-enough-too")
TOKEN = tokens.sign(CLAIMS, SHARED)


@pytest.fixture(autouse=True)
def known() -> None:
    assert verified.read(TOKEN, SHARED, NOW) == CLAIMS


def refused(token: str, keys: Keyring = SHARED, seconds: int = 0) -> str:
    with pytest.raises(NotAuthenticated) as caught:
        verified.read(token, keys, NOW + timedelta(seconds=seconds))
    return caught.value.code


def test_it_says_again_what_it_said() -> None:
    assert verified.read(TOKEN, SHARED, NOW + timedelta(seconds=899)) == CLAIMS


def test_it_ends_at_its_time() -> None:
    assert refused(TOKEN, seconds=900) == "auth.expired"
    assert verified.read(TOKEN, SHARED, NOW) == CLAIMS


def test_others_keys_do_not_know_it() -> None:
    assert refused(TOKEN, ANOTHER) == "auth.bad_token"


def test_what_a_retired_key_signed_holds_no_more() -> None:
    keys = ring([pair(FIRST, NOW - MINUTE)])
    token = tokens.sign(CLAIMS, keys)
    assert verified.read(token, keys, NOW) == verified.read(token, PAIRED, NOW) == CLAIMS
    assert verified.read(token, keys, NOW) == CLAIMS
    keys.hold([pair(FIRST, NOW - MINUTE, retired_at=NOW)])
    assert refused(token, keys) == "auth.bad_token"


def test_whatever_is_changed_is_another_token() -> None:
    head, content, signature = TOKEN.split(".")
    assert refused(f"{head}.{content}.{signature[::-1]}") == "auth.bad_token"
    assert refused(f"{head}.{content}.") == "auth.bad_token"
    assert refused("") == "auth.missing"


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "MOST", 1)
    content = tokens.claims(CLAIMS.sub, CLAIMS.role, CLAIMS.sid, CLAIMS.sid, NOW, 9)
    other = tokens.sign(content, SHARED)
    for token in (other, TOKEN, other):
        assert verified.read(token, SHARED, NOW).sub == CLAIMS.sub
