import pytest

from domain.registry import EVENTS, MOTION_EVENTS
from domain.upcasts import UPCASTS, Payload, Upcast, stored_as, upcast


def test_a_live_tag_is_left_as_it_is() -> None:
    assert upcast("user.registered.v1", {"a": 1}) == ("user.registered.v1", {"a": 1})


def test_the_first_comments_had_text_and_no_mentions() -> None:
    payload: Payload = {"comment": "c", "author": "a", "text": "hi", "at": "t"}
    assert upcast("task.comment_added.v1", payload) == (
        "task.comment_added.v2",
        {"comment": "c", "author": "a", "body": "hi", "mentions": [], "at": "t"},
    )
    assert "text" in payload


def test_upcasts_are_followed_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    def two(payload: Payload) -> Payload:
        return {**payload, "two": True}

    def three(payload: Payload) -> Payload:
        return {**payload, "three": True}

    chain = {"x.done.v1": Upcast("x.done.v2", two), "x.done.v2": Upcast("x.done.v3", three)}
    monkeypatch.setattr("domain.upcasts.UPCASTS", chain)
    assert upcast("x.done.v1", {}) == ("x.done.v3", {"two": True, "three": True})
    assert stored_as(["x.done.v3", "y"]) == ["x.done.v3", "y", "x.done.v1", "x.done.v2"]
    assert stored_as(["y"]) == ["y"]


def test_a_retired_tag_is_never_live() -> None:
    assert not UPCASTS.keys() & {*EVENTS, *MOTION_EVENTS}
