"""Links that stop a kind of mail: they say what they were made for, and cannot be made up."""

from uuid import UUID, uuid5

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.preferences import Notice
from infra.settings import Settings, SettingsError
from infra.unsubscribing import read, sign, unsubscribe_link

SECRET = "a-secret-of-the-tests-that-is-long-enough"
OURS = Settings(jwt_secret=SECRET)
ANN = uuid5(UUID(int=1), "ann")
notices = st.sampled_from([*Notice, None])


@given(st.uuids(), notices)
def test_a_link_says_whose_and_of_what_it_is(user: UUID, notice: Notice | None) -> None:
    assert read(OURS, sign(OURS, user, notice)) == (user, notice)


@given(notices, st.data())
def test_an_altered_link_is_none(notice: Notice | None, data: st.DataObject) -> None:
    token = sign(OURS, ANN, notice)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters(max_codepoint=300))
    altered = data.draw(
        st.sampled_from([token[:place] + letter + token[place + 1 :], token[:place], token + "="])
    )
    if altered != token:
        assert refused(OURS, altered)


@given(st.text(max_size=90) | st.binary(max_size=60).map(lambda raw: raw.hex()))
def test_what_is_made_up_is_none(token: str) -> None:
    assert refused(OURS, token)


def test_another_secret_makes_other_links() -> None:
    assert refused(Settings(jwt_secret=SECRET + "!"), sign(OURS, ANN, Notice.REPORT))


def test_links_of_the_secret_before_hold_as_long_as_it_is_known() -> None:
    link = sign(OURS, ANN, Notice.REPORT)
    rotated = Settings(jwt_secret="a-new-secret", jwt_secret_old=SECRET)
    assert read(rotated, link) == (ANN, Notice.REPORT)
    assert sign(rotated, ANN, Notice.REPORT) != link


def test_without_a_secret_there_are_no_links() -> None:
    with pytest.raises(SettingsError, match="JWT_SECRET"):
        sign(Settings(), ANN, None)


def test_an_access_token_is_no_such_link_and_a_link_is_no_access_token() -> None:
    assert refused(OURS, jwt.encode({"sub": str(ANN)}, SECRET, algorithm="HS256"))
    with pytest.raises(jwt.InvalidTokenError):
        jwt.decode(sign(OURS, ANN, Notice.REPORT), SECRET, algorithms=["HS256"])


def test_a_link_is_below_the_public_address() -> None:
    settings = Settings(public_url="https://formula.example.com", jwt_secret=SECRET)
    link = unsubscribe_link(settings, ANN, None)
    assert link == f"https://formula.example.com/api/v1/unsubscribe?token={sign(OURS, ANN, None)}"


def refused(settings: Settings, token: str) -> bool:
    try:
        read(settings, token)
    except Invalid as refusal:
        return refusal.code == "unsubscribe.bad_token"
    return False
