"""Two runs beside each other: a change counts beyond both spreads, and not before."""

import msgspec
import pytest

from bench.compare import Change, Verdict, compare, differences, more_is_better
from bench.page import compared
from bench.report import Row, Target, judged
from tests.bench.results import BESIDE, OURS, WHERE, report


def moved(row: Row, by: float) -> Row:
    """The same measurement, all of it by so much."""
    low, high, value = row.low or 0.0, row.high or 0.0, row.value or 0.0
    return msgspec.structs.replace(row, value=value + by, low=low + by, high=high + by)


def verdict(before: Row, after: Row) -> Verdict:
    [change] = compare(report(before), report(after))
    return change.verdict


@pytest.mark.parametrize(
    ("by", "found"),
    [
        (0.0, Verdict.SAME),
        (100.0, Verdict.SAME),
        (-100.0, Verdict.SAME),
        (101.0, Verdict.BETTER),
        (-101.0, Verdict.WORSE),
    ],
)
def test_a_change_counts_beyond_both_spreads(by: float, found: Verdict) -> None:
    assert verdict(OURS, moved(OURS, by)) is found


def test_less_is_better_of_what_takes_time_or_room() -> None:
    late = msgspec.structs.replace(OURS, unit="ms")
    assert verdict(late, moved(late, 101.0)) is Verdict.WORSE
    assert verdict(late, moved(late, -101.0)) is Verdict.BETTER


def test_a_unit_that_says_nothing_and_has_no_target_has_only_changed() -> None:
    events = msgspec.structs.replace(OURS, unit="events")
    assert verdict(events, moved(events, 101.0)) is Verdict.CHANGED
    assert more_is_better(judged(events, Target(least=1.0)), "events") is True
    assert more_is_better(judged(events, Target(least=1.0, most=1.0)), "events") is None


def test_what_was_played_once_has_no_spread_to_judge_by() -> None:
    once = msgspec.structs.replace(OURS, low=1_500.0, high=1_500.0)
    assert verdict(once, moved(once, 900.0)) is Verdict.UNKNOWN
    assert verdict(once, once) is Verdict.SAME


def test_ratios_are_compared_where_both_know_them_by_the_round() -> None:
    faster = moved(BESIDE, 9_000.0)  # so is its peer: the ratio is as it was
    assert verdict(BESIDE, faster) is Verdict.SAME
    worse = msgspec.structs.replace(BESIDE, ratio=1.2, ratio_low=1.1, ratio_high=1.3)
    assert compare(report(BESIDE), report(worse)) == [
        Change("beside", "ratio", 1.5, 1.2, Verdict.WORSE)
    ]
    old = msgspec.structs.replace(BESIDE, ratio_low=msgspec.UNSET, ratio_high=msgspec.UNSET)
    assert verdict(old, faster) is Verdict.BETTER


def test_rows_that_came_went_or_were_not_measured_are_named() -> None:
    lost = Row(name="ours", value=None, unit="events/s")
    assert verdict(OURS, lost) is Verdict.UNMEASURED
    found = compare(report(OURS), report(BESIDE))
    assert [(one.name, one.verdict) for one in found] == [
        ("beside", Verdict.NEW),
        ("ours", Verdict.GONE),
    ]


def test_a_target_that_is_missed_now_counts_whatever_the_spread() -> None:
    target = Target(least=1_500.0)
    [change] = compare(report(judged(OURS, target)), report(judged(moved(OURS, -1.0), target)))
    assert (change.verdict, change.now_missed, change.counts) == (Verdict.SAME, True, True)


def test_what_else_is_not_as_it_was_is_named() -> None:
    other = msgspec.structs.replace(
        WHERE, commit="def", cores=2, fdatasync_ms=0.5, load_1m=3.0, packages={"msgspec": "0.23"}
    )
    assert list(differences(WHERE, other)) == [
        "commit abc -> def",
        "cores 8 -> 2",
        "msgspec 0.22 -> 0.23",
        "fdatasync 0.2 ms -> 0.5 ms",
    ]
    assert list(differences(WHERE, msgspec.structs.replace(WHERE, fdatasync_ms=0.25))) == []


def test_the_page_shows_what_counts_and_how_many_rows_there_are() -> None:
    section = compared(report(OURS, BESIDE), report(moved(OURS, 200.0), BESIDE))
    [table] = section.tables
    assert table.rows == (("ours", "events/s", "1,500", "1,700", "1.13", "better"),)
    assert "1 of 2 rows changed by more than both runs vary." in section.text


def test_the_page_names_what_cannot_be_compared() -> None:
    once = msgspec.structs.replace(OURS, name="once", low=1_500.0, high=1_500.0)
    lost = msgspec.structs.replace(BESIDE, value=None, low=None, high=None, ratio=None)
    gone = msgspec.structs.replace(OURS, name="gone")
    text = compared(report(once, BESIDE, gone), report(moved(once, 900.0), lost, OURS)).text
    assert "beside: not measured in both" in text
    assert "ours: new" in text
    assert "gone: gone" in text
    assert text[-1] == "1 rows were played once: once 1,500 -> 2,400 events/s"
