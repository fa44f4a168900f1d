"""Motion at a rate: the first at once, then the latest of each while."""

import asyncio
from uuid import UUID, uuid4

import msgspec

from api.realtime.pace import OFTEN_S, SELDOM_S, Pace, pace_s
from domain.motion import cursor, typing
from infra.eventstore.types import Motion

P1, P2 = uuid4(), uuid4()


def moved(to: int, participation: UUID = P1) -> Motion:
    at = msgspec.Raw(msgspec.json.encode({"x": to}))
    return Motion(cursor("project:x", at), participation, uuid4(), None)


class Passed:
    """What went on; `second` is set when that was not only the first."""

    def __init__(self) -> None:
        self.motions: list[Motion] = []
        self.second = asyncio.Event()

    def __call__(self, motion: Motion) -> None:
        self.motions.append(motion)
        if len(self.motions) == 2:
            self.second.set()


async def test_the_first_goes_at_once_and_of_the_others_the_latest() -> None:
    passed = Passed()
    pace = Pace(passed)
    sent = [moved(number) for number in range(5)]
    for one in sent:
        pace.take(one, 0.02)
    assert passed.motions == sent[:1]
    async with asyncio.timeout(5.0):
        await passed.second.wait()
    assert passed.motions == [sent[0], sent[4]]
    pace.forget(P1)


async def test_kinds_and_connections_do_not_wait_for_each_other() -> None:
    passed: list[Motion] = []
    pace = Pace(passed.append)
    other = Motion(typing("project:x", "title", on=True), P1, uuid4(), None)
    for one in (moved(1), other, moved(2, P2)):
        pace.take(one, 60.0)
    assert len(passed) == 3
    pace.forget(P1)
    pace.forget(P2)


async def test_what_waits_of_who_left_is_dropped() -> None:
    passed: list[Motion] = []
    pace = Pace(passed.append)
    pace.take(moved(1), 0.01)
    pace.take(moved(2), 0.01)
    pace.forget(P1)
    pace.take(moved(3), 0.01)  # back under the same name: nothing rests any more
    assert [msgspec.json.decode(msgspec.json.encode(one.event))["at"] for one in passed] == [
        {"x": 1},
        {"x": 3},
    ]
    pace.forget(P1)


def test_the_more_people_the_slower() -> None:
    assert pace_s(1) == pace_s(20) == OFTEN_S
    assert OFTEN_S < pace_s(50) < pace_s(100) < SELDOM_S
    assert pace_s(1_000) == SELDOM_S
