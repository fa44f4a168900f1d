"""Pages of a list: an opaque cursor holds the sort key of the last row that was given."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeAlias, TypeVar

import msgspec
from litestar.params import QueryParameter

from domain.errors import Invalid

MAX_CURSOR = 1_200  # characters: the longest key is the name of a lock

T = TypeVar("T")
K = TypeVar("K")

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=200, description="rows of a page")]
Cursor: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        max_length=MAX_CURSOR,
        description="`next` of the page before",
        schema_extra={"max_length": MAX_CURSOR},
    ),
]


class Page(msgspec.Struct, Generic[T], frozen=True):
    """`next` is null on the last page."""

    items: list[T]
    next: str | None = None


def page(rows: Sequence[T], limit: int, key: Callable[[T], object]) -> Page[T]:
    """The first `limit` rows of `limit` + 1 that were asked for: the last says if there is more."""
    items = list(rows[:limit])
    return Page(items, to_cursor(key(items[-1])) if len(rows) > limit else None)


def to_cursor(key: object) -> str:
    return urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def from_cursor(cursor: str | None, kind: type[K]) -> K | None:
    """The sort key to go on after. Raises Invalid for what no page of this list has given."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(urlsafe_b64decode(padded), type=kind)
    except ValueError as error:  # of base64 and of msgspec alike
        raise Invalid("cursor.invalid") from error
