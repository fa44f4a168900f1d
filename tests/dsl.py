"""given / when / then for deciders: no mocks, no I/O, one line a fact."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec
import pytest

from domain.errors import Refused
from domain.kernel import Command, Decider, Event, fold

S = TypeVar("S")
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)


class refused(msgspec.Struct, frozen=True):  # noqa: N801, reads as a word in a test
    code: str


def check(
    decider: Decider[S, C, E], *, given: Sequence[E], when: C, then: Sequence[E] | refused
) -> None:
    state = fold(decider, given)
    if isinstance(then, refused):
        with pytest.raises(Refused) as caught:
            decider.decide(when, state)
        assert caught.value.code == then.code
    else:
        assert decider.decide(when, state) == list(then)
