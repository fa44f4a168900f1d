from datetime import date
from uuid import UUID

from domain.digest import DIGEST, DigestStarted, StartDigest, digest_stream
from tests.dsl import check, refused

ANN, BOB = UUID(int=1), UUID(int=2)
MONDAY, TUESDAY = date(2030, 1, 7), date(2030, 1, 8)
STARTED = DigestStarted(user=ANN, day=MONDAY, after=3, upto=9)


def test_a_digest_is_started_once() -> None:
    start = StartDigest(user=ANN, day=MONDAY, after=3, upto=9)
    check(DIGEST, given=[], when=start, then=[STARTED])
    check(DIGEST, given=[STARTED], when=start, then=refused("digest.exists"))


def test_there_is_one_for_each_person_and_day() -> None:
    assert len({digest_stream(user, day) for user in (ANN, BOB) for day in (MONDAY, TUESDAY)}) == 4
