"""When an alert is pending, fires, worsens, eases, recovers and is resolved."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alert import (
    ALERT,
    AcknowledgeAlert,
    Alert,
    Observe,
    WithdrawAlert,
    alert_stream,
    decide,
    evolve,
)
from domain.alert_events import (
    AlertAcknowledged,
    AlertCancelled,
    AlertEased,
    AlertEvent,
    AlertFired,
    AlertPending,
    AlertRecovering,
    AlertRelapsed,
    AlertResolved,
    AlertState,
    AlertWorsened,
    Severity,
    Watch,
)
from domain.kernel import fold
from tests.domain.strategies import START
from tests.dsl import check, refused

WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL
PENDING, FIRING, RESOLVED = AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED
RECOVERING = AlertState.RECOVERING
CPU = Watch(rule="cpu", group="machine", warning=0.7, critical=0.85, for_s=20, keep_s=20)
AT_ONCE = msgspec.structs.replace(CPU, for_s=0, keep_s=0)
STEP_S = 10


def seen(*values: float | None, watch: Watch = CPU) -> list[AlertEvent]:
    """What happens while these are observed, one every ten seconds."""
    return observed([(STEP_S * place, value) for place, value in enumerate(values)], watch)


def observed(looks: Sequence[tuple[float, float | None]], watch: Watch = CPU) -> list[AlertEvent]:
    events: list[AlertEvent] = []
    for after_s, value in looks:
        at = START + timedelta(seconds=after_s)
        events += decide(Observe(watch=watch, value=value, at=at), fold(ALERT, events))
    return events


def told(events: Sequence[AlertEvent]) -> list[str]:
    """The events' names and seconds; a severity where there is one."""
    lines: list[str] = []
    for one in events:
        name = type(one).__name__.removeprefix("Alert").lower()
        severity = getattr(one, "severity", "")
        lines.append(f"{(one.at - START).total_seconds():g} {name} {severity}".rstrip())
    return lines


def state_after(events: Sequence[AlertEvent]) -> Alert:
    return fold(ALERT, events)


def test_what_is_below_its_threshold_is_no_event() -> None:
    assert seen(0.0, 0.69, None, 0.5) == []


def test_a_warning_is_pending_for_its_time_then_fires_and_is_resolved() -> None:
    events = seen(0.7, 0.72, 0.75, 0.7, 0.5, 0.5, 0.5, 0.5)
    assert events == [
        AlertPending(
            rule="cpu",
            group="machine",
            severity=WARNING,
            value=0.7,
            threshold=0.7,
            state=PENDING,
            at=START,
        ),
        AlertFired(
            rule="cpu",
            group="machine",
            severity=WARNING,
            value=0.75,
            threshold=0.7,
            at=START + timedelta(seconds=20),
        ),
        AlertRecovering(
            rule="cpu",
            severity=WARNING,
            value=0.5,
            state=RECOVERING,
            at=START + timedelta(seconds=40),
        ),
        AlertResolved(rule="cpu", severity=WARNING, value=0.5, at=START + timedelta(seconds=60)),
    ]


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ((0.8, 0.8, 0.6), ["0 pending warning", "20 cancelled warning"]),
        ((0.9, 0.9, 0.9), ["0 pending critical", "20 fired critical"]),
        (
            (0.7, 0.9, 0.9, 0.9),
            ["0 pending warning", "10 pending critical", "20 fired warning", "30 worsened"],
        ),
        (
            (0.9, 0.8, 0.9, 0.9, 0.9),
            ["0 pending critical", "10 cancelled critical", "20 pending critical",
             "20 fired warning", "40 worsened"],
        ),
        (
            (0.9, 0.9, 0.9, 0.7, 0.7, 0.7),
            ["0 pending critical", "20 fired critical", "30 recovering critical", "50 eased"],
        ),
        (
            (0.9, 0.9, 0.9, 0.7, 0.1, 0.1, 0.1),
            ["0 pending critical", "20 fired critical", "30 recovering critical",
             "40 recovering critical", "50 eased", "60 resolved warning"],
        ),
        (
            (0.9, 0.9, 0.9, 0.1, 0.8, 0.1, 0.1, 0.1),
            ["0 pending critical", "20 fired critical", "30 recovering critical",
             "40 relapsed critical", "50 recovering critical", "70 resolved critical"],
        ),
    ],
)  # fmt: skip
def test_the_course_of_an_alert(values: tuple[float, ...], lines: list[str]) -> None:
    assert told(seen(*values)) == lines


def test_just_below_the_threshold_it_goes_on_firing() -> None:
    """0.63 is nine tenths of 0.7."""
    assert told(seen(0.7, 0.7, 0.7, *[0.64, 0.69] * 20)) == [
        "0 pending warning",
        "20 fired warning",
    ]


def test_without_waiting_it_fires_and_resolves_at_once() -> None:
    assert told(seen(0.9, 0.1, watch=AT_ONCE)) == [
        "0 pending critical",
        "0 fired critical",
        "10 recovering critical",
        "10 resolved critical",
    ]


def test_a_rule_may_have_one_threshold() -> None:
    only = msgspec.structs.replace(AT_ONCE, warning=None)
    assert told(seen(0.8, 0.9, 0.1, watch=only))[1::2] == [
        "10 fired critical",
        "20 resolved critical",
    ]
    mild = msgspec.structs.replace(AT_ONCE, critical=None)
    assert told(seen(0.9, watch=mild)) == ["0 pending warning", "0 fired warning"]


def test_missing_data_is_no_breach_unless_the_rule_says_so() -> None:
    assert told(seen(0.9, None)) == ["0 pending critical", "10 cancelled critical"]
    silent = Watch(rule="api", no_data="fire", for_s=20)
    events = seen(1.0, None, None, None, 1.0, watch=silent)
    assert told(events) == [
        "10 pending critical",
        "30 fired critical",
        "40 recovering critical",
        "40 resolved critical",
    ]
    assert isinstance(events[1], AlertFired)
    assert (events[1].value, events[1].threshold) == (None, None)


def test_what_is_no_number_is_no_data() -> None:
    assert seen(float("nan"), float("inf")) == []


def test_after_a_gap_in_which_nobody_looked_it_is_pending_anew() -> None:
    """Nobody knows that it held: a scheduler that comes back fires nothing at once."""
    events = observed([(0, 0.9), (10, 0.9), (600, 0.9), (610, 0.9), (620, 0.9)])
    assert told(events) == ["0 pending critical", "600 pending critical", "620 fired critical"]
    assert isinstance(events[1], AlertPending)
    assert events[1].anew
    late = observed([(0, 0.7), (600, 0.9), (620, 0.9)])
    assert told(late) == ["0 pending warning", "600 pending critical", "620 fired critical"]


def test_a_short_gap_is_bridged() -> None:
    assert told(observed([(0, 0.9), (45, 0.9)])) == ["0 pending critical", "45 fired critical"]


def test_after_a_gap_it_recovers_anew() -> None:
    looks = [(0, 0.9), (20, 0.9), (30, 0.1), (900, 0.1), (910, 0.1), (920, 0.1)]
    assert told(observed(looks))[2:] == [
        "30 recovering critical",
        "900 recovering critical",
        "920 resolved critical",
    ]


def test_who_looks_after_it_is_known_until_it_is_resolved() -> None:
    fired = seen(0.9, watch=AT_ONCE)
    acknowledge = AcknowledgeAlert(rule="cpu", note=" on it ", at=START)
    event = AlertAcknowledged(rule="cpu", note="on it", at=START)
    check(ALERT, given=fired, when=acknowledge, then=[event])
    check(ALERT, given=[*fired, event], when=acknowledge, then=[])
    over = seen(0.9, 0.1, watch=AT_ONCE)
    assert state_after([*over[:2], event]).note == "on it"
    assert state_after([*over[:2], event, *over[2:]]) == Alert()
    check(ALERT, given=[], when=acknowledge, then=refused("alert.not_firing"))
    check(ALERT, given=seen(0.9), when=acknowledge, then=refused("alert.not_firing"))


@pytest.mark.parametrize(
    ("given_", "then"),
    [
        ([], []),
        (seen(0.9), [AlertCancelled(rule="cpu", severity=CRITICAL, value=None, state=RESOLVED,
                                    at=START)]),
        (seen(0.9, watch=AT_ONCE), [AlertResolved(rule="cpu", severity=CRITICAL, value=None,
                                                  at=START, withdrawn=True)]),
    ],
)  # fmt: skip
def test_the_alert_of_a_rule_that_is_gone_ends(
    given_: list[AlertEvent], then: list[AlertEvent]
) -> None:
    check(ALERT, given=given_, when=WithdrawAlert(rule="cpu", at=START), then=then)


def test_each_rule_has_a_stream_of_its_own() -> None:
    assert len({alert_stream(rule) for rule in ("cpu", "memory", "")}) == 3


VALUES = st.sampled_from([None, 0.0, 0.5, 0.62, 0.63, 0.64, 0.69, 0.7, 0.75, 0.77, 0.85, 1.0])
WATCHES = st.builds(
    Watch,
    rule=st.just("cpu"),
    warning=st.sampled_from([None, 0.7]),
    critical=st.just(0.85),
    for_s=st.sampled_from([0, 10, 30]),
    keep_s=st.sampled_from([0, 10, 30]),
    no_data=st.sampled_from(["ignore", "fire"]),
)


@given(values=st.lists(VALUES, max_size=40), watch=WATCHES)
def test_it_fires_once_and_for_a_reason_and_ends_for_one(
    values: list[float | None], watch: Watch
) -> None:
    fired: Severity | None = None
    for event in seen(*values, watch=watch):
        place = round((event.at - START).total_seconds()) // STEP_S
        match event:
            case AlertFired(severity=severity):
                assert fired is None, "twice"
                assert held(values, place, watch, severity)
                fired = severity
            case AlertWorsened():
                assert fired is WARNING
                assert held(values, place, watch, CRITICAL)
                fired = CRITICAL
            case AlertEased():
                assert fired is CRITICAL
                assert calm(values, place, watch, CRITICAL)
                fired = WARNING
            case AlertResolved():
                assert fired is not None
                assert calm(values, place, watch, None)
                fired = None
            case AlertRelapsed() | AlertRecovering():
                assert fired is not None
            case _:
                assert not isinstance(event, AlertAcknowledged)


def held(values: list[Any], place: int, watch: Watch, severity: Severity) -> bool:
    """At the severity's threshold all through the time that it takes."""
    first = place - int(watch.for_s) // STEP_S
    wanted = (severity, CRITICAL)
    return first >= 0 and all(watch.level(one) in wanted for one in values[first : place + 1])


def calm(values: list[Any], place: int, watch: Watch, below: Severity | None) -> bool:
    first = place - int(watch.keep_s) // STEP_S
    levels = [watch.level(one, watch.recover_at) for one in values[first : place + 1]]
    return first >= 0 and all(one is None or (below and one is not below) for one in levels)


@given(values=st.lists(VALUES, max_size=30), watch=WATCHES)
def test_to_look_twice_changes_nothing(values: list[float | None], watch: Watch) -> None:
    """However many leaders believe they lead, an event is told once."""
    state = Alert()
    for place, value in enumerate(values):
        look = Observe(watch=watch, value=value, at=START + timedelta(seconds=STEP_S * place))
        for event in decide(look, state):
            state = evolve(state, event)
        assert decide(look, state) == []


@given(values=st.lists(st.sampled_from([0.64, 0.66, 0.69, 0.7, 0.75]), max_size=60))
def test_a_value_that_hovers_at_the_threshold_fires_once(values: list[float]) -> None:
    events = seen(1.0, 0.7, *values, watch=msgspec.structs.replace(AT_ONCE, critical=None))
    assert told(events) == ["0 pending warning", "0 fired warning"]


@given(values=st.lists(VALUES, max_size=30), watch=WATCHES)
def test_events_say_how_the_alert_stands_then(values: list[float | None], watch: Watch) -> None:
    state = Alert()
    for event in seen(*values, watch=watch):
        state = evolve(state, event)
        said = getattr(event, "state", None)
        assert said in (None, state.state)
