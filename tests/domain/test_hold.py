from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain import hold
from domain.errors import WrongState
from domain.hold import HOLD, HoldPlaced, HoldReleased, PlaceHold, ReleaseHold
from domain.kernel import fold
from tests.dsl import check, refused

P1, T1 = UUID(int=11), UUID(int=21)
NOW = datetime(2030, 1, 1, tzinfo=UTC)
ON_PROJECT = HoldPlaced(subject=P1, kind="project", project=P1, reason="Case 1", at=NOW)
ON_TASK = HoldPlaced(subject=T1, kind="record", project=P1, reason="Case 2", at=NOW)
OVER = HoldReleased(subject=P1, reason="closed", at=NOW)


def place(subject: UUID = P1, kind: hold.Kind = "project", reason: str = " Case 1 ") -> PlaceHold:
    project = P1 if kind == "record" else None
    return PlaceHold(subject=subject, kind=kind, project=project, reason=reason, at=NOW)


def release(reason: str = "closed") -> ReleaseHold:
    return ReleaseHold(subject=P1, reason=reason, at=NOW)


def test_a_project_is_held_once() -> None:
    check(HOLD, given=[], when=place(), then=[ON_PROJECT])
    check(HOLD, given=[ON_PROJECT], when=place(), then=[])
    check(HOLD, given=[ON_PROJECT, OVER], when=place(), then=[ON_PROJECT])


def test_a_record_is_held_beside_its_project() -> None:
    check(HOLD, given=[ON_PROJECT], when=place(T1, "record", "Case 2"), then=[ON_TASK])


def test_both_placing_and_releasing_say_why() -> None:
    check(HOLD, given=[], when=place(reason=" "), then=refused("hold.bad_reason"))
    check(HOLD, given=[ON_PROJECT], when=release("x" * 501), then=refused("hold.bad_reason"))


def test_only_what_is_held_is_released() -> None:
    check(HOLD, given=[ON_PROJECT], when=release(), then=[OVER])
    check(HOLD, given=[ON_PROJECT, OVER], when=release(), then=refused("hold.not_found"))


def test_there_is_an_end_to_holds() -> None:
    ids = [UUID(int=1_000 + n) for n in range(hold.MAX_HOLDS)]
    full = hold.Holds(dict.fromkeys(ids, ON_TASK))
    with pytest.raises(WrongState, match=r"hold\.too_many"):
        hold.decide(place(), full)


def test_a_project_stays_held_by_its_record() -> None:
    state = fold(HOLD, [ON_PROJECT, ON_TASK, OVER])
    assert (set(state.standing), state.projects) == ({T1}, {P1})
