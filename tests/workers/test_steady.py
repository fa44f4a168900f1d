"""Judging others only after a time without a break of one's own."""

from workers.steady import Rise, Steady


def beats(steady: Steady, *nows: float, ahead: float = 1_000.0) -> list[bool]:
    return [steady.beat(now, now + ahead) for now in nows]


def test_it_is_steady_after_the_whole_time() -> None:
    steady = Steady(for_s=4.0)
    assert beats(steady, 10.0, 12.0, 13.9, 14.0, 15.0) == [False, False, False, True, True]


def test_a_break_starts_the_time_anew() -> None:
    steady = Steady(for_s=4.0)
    beats(steady, 10.0, 12.0, 14.0)
    assert beats(steady, 16.1, 18.0, 20.0, 20.1) == [False, False, False, True]


def test_so_does_a_clock_that_is_set() -> None:
    for ahead in (4_600.0, -2_600.0):
        steady = Steady(for_s=4.0)
        assert beats(steady, 10.0, 12.0, 14.0)[-1]
        assert not steady.beat(15.0, 15.0 + ahead)
        assert steady.jumped == ahead - 1_000.0
        assert beats(steady, 17.0, 18.9, 19.0, ahead=ahead) == [False, False, True]
        assert steady.jumped == 0.0


def test_a_clock_that_is_put_right_bit_by_bit_is_none() -> None:
    steady = Steady(for_s=4.0)
    answers = [steady.beat(10.0 + n, 10.0 + n + 0.3 * (n % 2)) for n in range(6)]
    assert answers[-1]
    assert steady.jumped == 0.0


def test_a_rise_is_told_once() -> None:
    rise = Rise()
    values = ((-50.0, 10.0), (0.5, 11.0), (3_600.0, 12.0), (3_590.0, 22.0), (3_700.0, 23.0))
    assert [round(rise.of(value, now), 1) for value, now in values] == [0, 0.5, 3_600.0, 0, 111]
