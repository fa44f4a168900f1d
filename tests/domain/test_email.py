from uuid import UUID

import pytest

from domain.email import (
    EMAIL,
    EmailReleased,
    EmailReserved,
    ReleaseEmail,
    ReserveEmail,
    email_stream,
)
from domain.errors import Invalid
from tests.dsl import check, refused

ANN, BOB = UUID(int=1), UUID(int=2)


def test_a_free_address_is_reserved() -> None:
    check(EMAIL, given=[], when=ReserveEmail(user=ANN), then=[EmailReserved(user=ANN)])


def test_an_address_is_one_users_at_a_time() -> None:
    given = [EmailReserved(user=ANN)]
    check(EMAIL, given=given, when=ReserveEmail(user=BOB), then=refused("email.taken"))
    check(EMAIL, given=given, when=ReserveEmail(user=ANN), then=[])


def test_a_released_address_is_free_for_others() -> None:
    given = [EmailReserved(user=ANN), EmailReleased(user=ANN)]
    check(EMAIL, given=given, when=ReserveEmail(user=BOB), then=[EmailReserved(user=BOB)])


def test_only_the_owner_releases_an_address() -> None:
    given = [EmailReserved(user=ANN)]
    check(EMAIL, given=given, when=ReleaseEmail(user=ANN), then=[EmailReleased(user=ANN)])
    check(EMAIL, given=given, when=ReleaseEmail(user=BOB), then=[])


def test_two_spellings_of_an_address_share_a_stream() -> None:
    assert email_stream(" Ann@X.io") == email_stream("ann@x.io") != email_stream("bob@x.io")


def test_the_stream_of_an_address_never_moves() -> None:
    assert email_stream("ann@x.io") == UUID("23fbb54d-7d57-5140-9545-50608620b235")


def test_no_address_no_stream() -> None:
    with pytest.raises(Invalid):
        email_stream("ann")
