"""What holds for every aggregate, whatever is asked of it and in whatever order."""

from copy import deepcopy
from functools import reduce
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from domain.kernel import Command, Decider, Event, fold
from domain.registry import DECIDERS
from infra.eventstore.codec import decode, encode
from tests.domain.strategies import commands, events

every_decider = pytest.mark.parametrize("decider", DECIDERS, ids=lambda decider: decider.name)


def decided(decider: Decider[Any, Any, Any], command: Command, state: object) -> list[Event]:
    """No events when refused. Any other exception is a bug."""
    try:
        return decider.decide(command, state)
    except Refused:
        return []


@every_decider
@given(data=st.data())
def test_any_sequence_of_commands_is_decided_or_refused(
    decider: Decider[Any, Any, Any], data: st.DataObject
) -> None:
    """And the events, read back from bytes, give the state that they were decided on."""
    state, log = decider.initial, list[tuple[str, bytes]]()
    for command in data.draw(st.lists(commands(decider), max_size=12)):
        for event in decided(decider, command, state):
            assert type(event) in decider.events
            state = decider.evolve(state, event)
            log.append(encode(event))
    assert fold(decider, [decode(*stored) for stored in log]) == state
    kind = cast(type[object], type(decider.initial))
    assert msgspec.json.decode(msgspec.json.encode(state), type=kind) == state, "as a snapshot"


@every_decider
@given(data=st.data())
def test_a_decision_depends_on_nothing_but_its_arguments(
    decider: Decider[Any, Any, Any], data: st.DataObject
) -> None:
    """Whatever an import, or an older version with other rules, has put in the log."""
    state = fold(decider, data.draw(st.lists(events(decider), max_size=8)))
    assert type(state) is type(decider.initial)
    for command in data.draw(st.lists(commands(decider), max_size=4)):
        before = deepcopy(state)
        happened = decided(decider, command, state)
        assert decided(decider, command, before) == happened
        after = reduce(decider.evolve, happened, state)
        assert state == before, "a state was changed in place"
        state = after
