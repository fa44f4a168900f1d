"""Judging others only after a time without a break of one's own."""

from workers.steady import Steady


def test_it_is_steady_after_the_whole_time() -> None:
    steady = Steady(for_s=4.0)
    assert [steady.beat(now) for now in (10.0, 12.0, 13.9, 14.0, 15.0)] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_a_break_starts_the_time_anew() -> None:
    steady = Steady(for_s=4.0)
    for now in (10.0, 12.0, 14.0):
        steady.beat(now)
    assert [steady.beat(now) for now in (16.1, 18.0, 20.0, 20.1)] == [False, False, False, True]
