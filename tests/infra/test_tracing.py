"""Traces: whose id counts, which are sampled, what spans say."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from infra import tracing
from infra.tracing import Kind, Span, Trace, begun, followed, share, span

ID = UUID(hex="0af7651916cd43dd8448eb211c80319c")
PARENT = f"00-{ID.hex}-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> Iterator[list[Span]]:
    """Those that were made; every trace is sampled."""
    made: list[Span] = []
    tracing.record(made.append, 1.0)
    yield made
    tracing.record(None)


def test_a_caller_s_trace_goes_on(spans: list[Span]) -> None:
    assert begun(PARENT) == Trace(ID, 0xB7AD6B7169203331, sampled=True)
    assert begun(f"{PARENT[:-2]}00") == Trace(ID, 0xB7AD6B7169203331)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "nonsense",
        PARENT.upper(),
        f"ff{PARENT[2:]}",
        f"{PARENT}-more",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{ID.hex}-{'0' * 16}-01",
        f"{PARENT}\n",
    ],
)
def test_what_is_no_traceparent_begins_a_trace(said: str) -> None:
    one, other = begun(said), begun(said)
    assert ID not in (one.id, other.id)
    assert one.id != other.id
    assert begun(said, ID) == Trace(ID)


def test_a_later_version_may_say_more() -> None:
    assert begun(f"01{PARENT[2:]}-more").id == ID


def test_the_share_that_is_sampled_follows_from_the_id() -> None:
    tracing.record(lambda _: None, 0.25)
    try:
        ids = [uuid4() for _ in range(2_000)]
        taken = [begun(otherwise=one).sampled for one in ids]
        assert 400 < sum(taken) < 600
        assert taken == [followed(one).sampled for one in ids]
    finally:
        tracing.record(None)


def test_nothing_is_sampled_where_nobody_collects() -> None:
    assert not begun(PARENT).sampled
    with span("work", begun(PARENT)) as open_:
        assert tracing.current() == open_.trace == Trace(ID, 0xB7AD6B7169203331)
        assert open_.stored is None
    assert tracing.current() is None


def test_spans_are_within_one_another(spans: list[Span]) -> None:
    with span("outer", begun(PARENT), Kind.SERVER) as outer:
        outer.attributes["what"] = "this"
        with span("inner") as inner:
            assert inner.stored == inner.trace.span
    first, second = spans
    assert (first.name, first.at.id, first.parent) == ("inner", ID, outer.trace.span)
    assert (second.name, second.kind, second.parent) == ("outer", Kind.SERVER, 0xB7AD6B7169203331)
    assert second.attributes == {"what": "this"}
    assert second.start <= first.start <= first.end <= second.end


def test_an_error_is_named_by_its_class_alone(spans: list[Span]) -> None:
    with pytest.raises(LookupError), span("work"):
        raise LookupError("ann@example.com")
    assert spans[0].error == "LookupError"


def test_work_for_many_is_shown_in_each_trace_once(spans: list[Span]) -> None:
    one, two = Trace(ID, 7, sampled=True), Trace(uuid4(), 8, sampled=True)
    share("commit", [one, two, one], 5, {"commands": 3})
    first, second = spans
    assert [(span.at.id, span.parent) for span in spans] == [(one.id, 7), (two.id, 8)]
    assert (first.link, second.link) == (None, first.at)
    assert first.start == second.start == 5


def test_what_follows_from_an_event_is_in_its_trace(spans: list[Span]) -> None:
    assert followed(ID, 9) == Trace(ID, 9, sampled=True)
    with span("here") as here:
        assert followed(None) == here.trace
        assert followed(here.trace.id, 9) == here.trace
        assert followed(ID, 9) == Trace(ID, 9, sampled=True)
