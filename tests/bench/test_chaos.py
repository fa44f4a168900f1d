"""What chaos makes of what it saw."""

import pytest

from bench.load.chaos import Said, Watch, longest, served_since
from bench.load.loops import Tally

KILLS = [("api", 10.0), ("Postgres", 20.0), ("api", 30.0), ("nobody", 40.0)]
SAID = [
    Said(12.0, 12.5, [13.0]),
    Said(22.0, 22.1, [22.3]),
    Said(32.0, 34.0, [32.5]),
]
ANSWERS = [9.0, *(10.5 + n for n in range(30))]


def watch(*said: Said, answers: list[float] | None = None) -> Watch:
    heard = ANSWERS if answers is None else answers
    return Watch(Tally(), said=[*SAID, *said], answers=heard, kills=KILLS)


def test_the_longest_of_all_rounds_is_told_by_who_was_killed() -> None:
    assert longest(watch(), now=50.0) == pytest.approx(
        {
            "api acked": 2.0,
            "api heard": 1.0,
            "api read": 1.0,
            "Postgres acked": 0.1,
            "Postgres heard": 0.3,
            "Postgres read": 1.0,
        }
    )


def test_what_never_came_is_no_good_figure() -> None:
    found = longest(watch(Said(21.0)), now=50.0)
    assert (found["Postgres acked"], found["Postgres heard"]) == (29.0, 29.0)
    assert found["api acked"] == 2.0


def test_who_reads_and_has_no_answer_has_waited_all_the_time() -> None:
    found = longest(watch(answers=[9.0, 11.0, 12.0, 31.0, 32.0, 39.0]), now=50.0)
    assert (found["api read"], found["Postgres read"]) == (8.0, 10.0)


def test_the_next_one_is_killed_when_what_came_since_is_acknowledged_heard_and_answered() -> None:
    assert served_since(watch(), 31.0)
    assert not served_since(watch(), 33.0)  # said before
    assert not served_since(watch(answers=[30.5]), 31.0)
    assert not served_since(watch(Said(36.0, None, [36.1])), 35.0)
    assert not served_since(watch(Said(36.0, 36.1)), 35.0)
