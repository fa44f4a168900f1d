from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from domain.errors import Invalid, Locked, Refused, WrongState
from domain.text import checked, no_nul


def test_a_text_loses_the_blanks_around_it() -> None:
    assert checked(" \n a b \t", "x.bad", 3) == "a b"


@pytest.mark.parametrize("text", ["", "  ", "abcd"])
def test_a_text_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        checked(text, "x.bad", 3)
    assert caught.value.code == "x.bad"
    assert caught.value.detail == {"length": len(text.strip()), "least": 1, "most": 3}


def test_a_text_may_be_allowed_to_be_empty() -> None:
    assert checked(" ", "x.bad", 3, least=0) == ""


def test_no_text_holds_a_nul() -> None:
    assert no_nul("a") == "a"
    with pytest.raises(Invalid, match=r"text\.has_nul"):
        no_nul("a\x00")
    with pytest.raises(Invalid, match=r"text\.has_nul"):
        checked("\x00", "x.bad", 3)


def test_details_of_a_refusal_are_plain_values() -> None:
    refusal = Refused(
        "x.y",
        text="a",
        count=2,
        flag=True,
        nothing=None,
        user=UUID(int=1),
        day=date(2030, 1, 1),
        until=datetime(2030, 1, 1, tzinfo=UTC),
    )
    assert str(refusal) == refusal.code == "x.y"
    assert refusal.detail == {
        "text": "a",
        "count": 2,
        "flag": True,
        "nothing": None,
        "user": str(UUID(int=1)),
        "day": "2030-01-01",
        "until": "2030-01-01T00:00:00+00:00",
    }


def test_locked_is_a_wrong_state() -> None:
    assert issubclass(Locked, WrongState)
