"""A silence stands until its time, or until somebody ends it."""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from domain.alert_events import Severity
from domain.errors import WrongState
from domain.kernel import fold
from domain.silence import (
    LONGEST,
    MAX_SILENCES,
    SILENCE,
    EndSilence,
    PlaceSilence,
    SilenceEnded,
    SilencePlaced,
    Silences,
)
from tests.domain.strategies import IDS, START
from tests.dsl import check, refused

LATER = START + timedelta(hours=1)
PLACE = PlaceSilence(silence=IDS[0], rule="cpu", reason=" a drill ", until=LATER, at=START)
PLACED = SilencePlaced(silence=IDS[0], rule="cpu", reason="a drill", until=LATER, at=START)


def changed(**fields: object) -> PlaceSilence:
    return msgspec.structs.replace(PLACE, **fields)


def test_it_is_placed_and_ended_once() -> None:
    ended = SilenceEnded(silence=IDS[0], at=START)
    end = EndSilence(silence=IDS[0], at=START)
    check(SILENCE, given=[], when=PLACE, then=[PLACED])
    check(SILENCE, given=[PLACED], when=PLACE, then=refused("silence.exists"))
    check(SILENCE, given=[PLACED], when=end, then=[ended])
    check(SILENCE, given=[PLACED, ended], when=end, then=refused("silence.not_found"))
    late = EndSilence(silence=IDS[0], at=LATER)
    check(SILENCE, given=[PLACED], when=late, then=refused("silence.not_found"))


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (changed(until=START), "silence.bad_until"),
        (changed(until=START + LONGEST + timedelta(seconds=1)), "silence.bad_until"),
        (changed(until=LATER.replace(tzinfo=None)), "silence.no_time_zone"),
        (changed(reason=" "), "silence.bad_reason"),
        (changed(rule="\x00"), "text.has_nul"),
    ],
)
def test_what_makes_no_sense_is_refused(command: PlaceSilence, code: str) -> None:
    check(SILENCE, given=[], when=command, then=refused(code))


@pytest.mark.parametrize(
    ("rule", "severity", "holds"),
    [
        ("cpu", None, {"cpu warning", "cpu critical"}),
        ("", Severity.WARNING, {"cpu warning", "disk warning"}),
        ("disk", Severity.CRITICAL, {"disk critical"}),
        ("", None, {"cpu warning", "cpu critical", "disk warning", "disk critical"}),
    ],
)
def test_whom_it_is_about(rule: str, severity: Severity | None, holds: set[str]) -> None:
    placed = msgspec.structs.replace(PLACED, rule=rule, severity=severity)
    silences = fold(SILENCE, [placed])
    both = [(name, one) for name in ("cpu", "disk") for one in Severity]
    assert {f"{name} {one}" for name, one in both if silences.hold(name, one, START)} == holds
    assert not any(silences.hold(name, one, LATER) for name, one in both)


def test_those_that_are_over_make_room() -> None:
    full = Silences({UUID(int=number): PLACED for number in range(MAX_SILENCES)})
    new = UUID(int=MAX_SILENCES)
    with pytest.raises(WrongState):
        SILENCE.decide(changed(silence=new), full)
    after = changed(silence=new, at=LATER, until=LATER + timedelta(hours=1))
    [placed] = SILENCE.decide(after, full)
    assert list(SILENCE.evolve(full, placed).standing) == [new]
