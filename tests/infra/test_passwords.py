import pytest

from domain.errors import Invalid
from infra.passwords import COMMON, LEAST_COMMON, check_password

EMAIL, NAME = "ada.lovelace@example.com", "Ada Lovelace"


def code(password: str) -> str:
    with pytest.raises(Invalid) as caught:
        check_password(password, EMAIL, NAME)
    return caught.value.code


@pytest.mark.parametrize(
    "password", ["123456789012", "QWERTYUIOP12", "password1234", "aaaaaaaaaaaa", "password12!!"]
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    assert code(password) == "password.too_common"


@pytest.mark.parametrize(
    "password", ["AdaLovelace", "ada.lovelace", "Ada Lovelace 1815!", "ada.lovelace@example.com"]
)
def test_what_the_account_says_is_refused(password: str) -> None:
    assert code(password) == "password.of_the_account"


@pytest.mark.parametrize(
    "password", ["correct horse battery", "formula-demo-1", "ada loves engines"]
)
def test_all_else_is_taken_whatever_it_is_made_of(password: str) -> None:
    check_password(password, EMAIL, NAME)


def test_without_letters_nothing_is_a_name() -> None:
    check_password("8675309-24601", EMAIL, "!!!")


def test_the_list_has_only_what_can_be_found_in_it() -> None:
    words = COMMON.read_text().splitlines()
    assert len(words) > 1_000
    assert words == sorted({word.casefold() for word in words})
    assert all(len(word) >= LEAST_COMMON and word == word.strip() for word in words)
