from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from api.paging import from_cursor, page, to_cursor
from domain.errors import Invalid

AT = datetime(2026, 3, 1, 12, 30, 15, 123_456, UTC)
ID = UUID(int=7)


class Row(msgspec.Struct, frozen=True):
    name: str


def test_a_cursor_brings_back_the_sort_key_it_was_made_of() -> None:
    assert from_cursor(to_cursor((AT, ID)), tuple[datetime, UUID]) == (AT, ID)
    assert from_cursor(to_cursor(("Zoë & co", ID)), tuple[str, UUID]) == ("Zoë & co", ID)
    assert from_cursor(to_cursor(12), int) == 12


def test_without_a_cursor_there_is_nothing_to_go_on_after() -> None:
    assert from_cursor(None, int) is None


@pytest.mark.parametrize("cursor", ["", "!", "AAAA", "é", to_cursor("text"), to_cursor([1, 2])])
def test_a_cursor_of_something_else_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid) as caught:
        from_cursor(cursor, tuple[str, UUID])
    assert caught.value.code == "cursor.invalid"


def test_a_page_that_is_not_the_last_says_where_to_go_on() -> None:
    rows = [Row("a"), Row("b"), Row("c")]
    first = page(rows, 2, lambda row: row.name)
    assert first.items == rows[:2]
    assert from_cursor(first.next, str) == "b"


def test_the_last_page_has_no_next() -> None:
    rows = [Row("a"), Row("b")]
    assert page(rows, 2, lambda row: row.name).next is None
    assert page([], 2, lambda row: row).next is None
