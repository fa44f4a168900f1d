"""The checker of the crowd's rooms sees what it is for."""

from typing import Any

import pytest

from tests.faults.chain import Chain

JOINED = {"op": "joined", "room": "r", "pos": 5, "mode": "snapshot"}


def ev(prev: int, pos: int) -> dict[str, Any]:
    return {"op": "ev", "room": "r", "prev": prev, "pos": pos}


def test_a_whole_chain_is_right_across_a_resume() -> None:
    chain = Chain("r")
    assert not chain.take(JOINED)
    assert [chain.take(one) for one in (ev(3, 7), ev(7, 8))] == [True, True]
    assert not chain.take(JOINED | {"pos": 8, "mode": "resume"})
    assert chain.take(ev(8, 9))
    assert not chain.take(ev(1, 2) | {"room": "other"})


@pytest.mark.parametrize(
    "wrong",
    [ev(8, 9), ev(7, 7), ev(3, 6), JOINED, JOINED | {"pos": 6, "mode": "resume"}],
    ids=["gap", "twice", "not in order", "snapshot", "resumed elsewhere"],
)
def test_what_breaks_a_chain_is_seen(wrong: dict[str, Any]) -> None:
    chain = Chain("r")
    chain.take(JOINED)
    chain.take(ev(3, 7))
    with pytest.raises(AssertionError):
        chain.take(wrong)
