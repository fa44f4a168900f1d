"""Old payloads to today's: one function for each retired tag, kept for as long as the log."""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, TypeAlias

Payload: TypeAlias = dict[str, object]


class Upcast(NamedTuple):
    """What a retired tag becomes, and how its payload does."""

    tag: str
    change: Callable[[Payload], Payload]


def _comment_added_v1(payload: Payload) -> Payload:
    """v1 called the body `text` and knew no mentions."""
    kept = {name: value for name, value in payload.items() if name != "text"}
    return {**kept, "body": payload["text"], "mentions": []}


def _signed_out_v1(payload: Payload) -> Payload:
    """v1 did not say when: its access tokens have run out by now."""
    return {**payload, "at": "1970-01-01T00:00:00Z"}


UPCASTS: Mapping[str, Upcast] = {
    "task.comment_added.v1": Upcast("task.comment_added.v2", _comment_added_v1),
    "user.signed_out.v1": Upcast("user.signed_out.v2", _signed_out_v1),
}


def upcast(tag: str, payload: Payload) -> tuple[str, Payload]:
    """Follow the chain from `tag` to one that is not retired."""
    while tag in UPCASTS:
        tag, change = UPCASTS[tag]
        payload = change(payload)
    return tag, payload


def today(tag: str) -> str:
    """The tag that an event stored under `tag` has by now."""
    while tag in UPCASTS:
        tag = UPCASTS[tag].tag
    return tag


def stored_as(tags: Collection[str]) -> list[str]:
    """Every tag that events of these tags may be stored under."""
    return [*tags, *(old for old in UPCASTS if old not in tags and today(old) in tags)]
