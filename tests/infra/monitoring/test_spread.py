"""Percentiles of buckets: within the bucket that has them, whatever was observed."""

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from infra.metrics import SECONDS, Family, Histogram, Histograms, Kind, Metrics, Point
from infra.monitoring.figures import Sums, figures, together
from infra.monitoring.samples import Increases, Sample, canonical
from infra.monitoring.spread import quantile

TIMES = st.floats(min_value=0.0, max_value=100.0)
SHARES = st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 1.0])


def observed(times: list[float]) -> Histogram:
    made = Histogram("s", "times", SECONDS)
    for one in times:
        made.observe(one)
    return made


@given(st.lists(TIMES, min_size=1), SHARES)
def test_a_percentile_lies_in_the_bucket_of_the_value_it_stands_for(
    times: list[float], share: float
) -> None:
    true = sorted(times)[max(ceil(share * len(times)) - 1, 0)]
    found = quantile(observed(times).counts, share)
    assert found is not None
    below = max((bound for bound in SECONDS if bound < true), default=0.0)
    above = min((bound for bound in SECONDS if bound >= true), default=SECONDS[-1])
    assert below <= found <= above


@given(st.lists(TIMES, min_size=1))
def test_percentiles_rise(times: list[float]) -> None:
    counts = observed(times).counts
    found = [quantile(counts, share) or 0.0 for share in (0.0, 0.5, 0.95, 0.99, 1.0)]
    assert found == sorted(found)


@given(st.lists(st.lists(TIMES), min_size=1, max_size=5))
def test_what_nodes_counted_adds_up_to_what_one_would_have(nodes: list[list[float]]) -> None:
    apart = [sums(one) for one in nodes if one]
    whole = together(apart)
    if whole is None:
        assert not any(nodes)
        return
    everything = observed([time for one in nodes for time in one])
    assert whole.buckets == everything.counts
    assert whole.count == everything.count
    made = figures("formula_http_seconds", whole, 10.0)
    assert made.p95 == quantile(everything.counts, 0.95)
    assert made.per_s == everything.count / 10


def sums(times: list[float]) -> Sums:
    made = observed(times)
    return Sums(1, made.sum, made.sum, made.sum, made.count, list(made.counts))


@given(st.lists(st.lists(TIMES, max_size=4), max_size=8))
def test_increases_add_up_to_what_was_counted(rounds: list[list[float]]) -> None:
    times = Histograms("formula_http_seconds", "times", ("route",))
    metrics, increases = Metrics([times]), Increases(begun=True)
    taken: list[Sample] = []
    for some in rounds:
        for one in some:
            times.observe(("/x",), one)
        taken += increases.take(metrics.read())
    everything = observed([time for some in rounds for time in some])
    buckets = [one.buckets or [] for one in taken]
    assert sum(one.count or 0 for one in taken) == everything.count
    assert [sum(column) for column in zip(*buckets, strict=True)] == (
        everything.counts if taken else []
    )
    assert all(one.count for one in taken), "a round without any is not written"


def test_of_nothing_there_is_no_percentile() -> None:
    assert quantile([], 0.5) is None
    assert quantile([0] * 17, 0.5) is None


def test_above_the_last_bound_no_more_is_known() -> None:
    assert quantile(observed([1_000.0]).counts, 0.5) == SECONDS[-1]


def test_labels_are_stored_in_one_way() -> None:
    assert canonical((("status", "5xx"), ("route", "/a=b,c"))) == "route=/a_b_c,status=5xx"


def test_what_is_no_number_is_not_written() -> None:
    bad = Family("x", "", Kind.GAUGE, (Point((), float("nan")), Point((("a", "b"),), 1.0)))
    assert Increases(begun=True).take([bad]) == [Sample("x", "a=b", 1.0)]
