"""Buckets of one process: what flows in, what is promised, what is forgotten."""

from itertools import pairwise

from infra.buckets import Bucket, Copy, Rate, per_window

FAST = Rate(burst=5, per_s=2)


def test_a_burst_goes_through_and_then_what_flows_in() -> None:
    bucket = Bucket(FAST, 0.0)
    assert [bucket.take(0.0) for _ in range(5)] == [0.0] * 5
    assert bucket.take(0.0) == 0.5
    assert bucket.take(0.4) > 0
    assert bucket.take(0.5) == 0.0


def test_no_more_than_a_burst_is_saved_up() -> None:
    bucket = Bucket(FAST, 0.0)
    assert sum(bucket.take(1_000.0) == 0.0 for _ in range(10)) == 5


def test_everybody_who_is_refused_is_promised_a_token_of_their_own() -> None:
    bucket = Bucket(FAST, 0.0)
    waits = [wait for _ in range(8) if (wait := bucket.take(0.0))]
    assert waits == [0.5, 1.0, 1.5]
    assert [bucket.take(wait) for wait in waits] == [0.0] * 3


def test_nobody_is_told_to_wait_longer_than_a_whole_window() -> None:
    bucket = Bucket(per_window(3, 60.0), 0.0)
    waits = [wait for _ in range(100) if (wait := bucket.take(0.0))]
    assert max(waits) == 60.0
    assert all(earlier <= later for earlier, later in pairwise(waits))


def test_zero_is_no_limit() -> None:
    bucket = Bucket(Rate(0, 0), 0.0)
    assert not any(bucket.take(0.0) for _ in range(10_000))


def test_a_copy_goes_by_what_is_left_for_all() -> None:
    copy = Copy("key", Bucket(FAST, 0.0))
    assert copy.take(0.0) == 0.0
    assert copy.report() == [5, 2, 1]
    assert copy.take(0.0) == 0.0  # while the report is under way
    copy.heard(2.0)  # others took two
    assert [copy.take(0.0) for _ in range(2)] == [0.0, 0.5]
    assert copy.report()[2] == 2


def test_what_others_overdrew_is_waited_for() -> None:
    copy = Copy("key", Bucket(FAST, 0.0))
    copy.heard(-5.0)
    assert copy.take(0.0) == 3.0
    assert copy.take(2.9) > 0
    assert copy.take(3.0) == 0.0


def test_what_is_given_back_counts_for_nobody() -> None:
    copy = Copy("key", Bucket(FAST, 0.0))
    copy.take(0.0)
    copy.give_back()
    assert copy.report() == [5, 2, 0]
    assert sum(copy.take(0.0) == 0.0 for _ in range(10)) == 5
