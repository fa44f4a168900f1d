import pytest

from domain.registry import EVENTS, MOTION_EVENTS
from domain.upcasts import UPCASTS, Payload, upcast


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
    def to_v2(payload: Payload) -> tuple[str, Payload]:
        return "x.done.v2", {**payload, "two": True}

    def to_v3(payload: Payload) -> tuple[str, Payload]:
        return "x.done.v3", {**payload, "three": True}

    monkeypatch.setattr("domain.upcasts.UPCASTS", {"x.done.v1": to_v2, "x.done.v2": to_v3})
    assert upcast("x.done.v1", {}) == ("x.done.v3", {"two": True, "three": True})


def test_a_retired_tag_is_never_live() -> None:
    assert not UPCASTS.keys() & {*EVENTS, *MOTION_EVENTS}
