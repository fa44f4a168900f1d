"""Old payloads to today's: one function for each retired tag, kept for as long as the log."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

Payload: TypeAlias = dict[str, object]


def _comment_added_v1(payload: Payload) -> tuple[str, Payload]:
    """v1 called the body `text` and knew no mentions."""
    kept = {name: value for name, value in payload.items() if name != "text"}
    return "task.comment_added.v2", {**kept, "body": payload["text"], "mentions": []}


UPCASTS: Mapping[str, Callable[[Payload], tuple[str, Payload]]] = {
    "task.comment_added.v1": _comment_added_v1,
}


def upcast(tag: str, payload: Payload) -> tuple[str, Payload]:
    """Follow the chain from `tag` to one that is not retired."""
    while tag in UPCASTS:
        tag, payload = UPCASTS[tag](payload)
    return tag, payload
