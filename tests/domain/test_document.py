from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.document import (
    DOCUMENT,
    MAX_FIELDS,
    MAX_SIZE,
    MAX_TEXT,
    ChangeDocument,
    CreateDocument,
    Document,
    DocumentChanged,
    DocumentCommand,
    DocumentCreated,
    DocumentEvent,
    DocumentRemoved,
    RemoveDocument,
    RestoreDocument,
)
from domain.kernel import fold
from tests.dsl import check, refused

NOW = datetime(2030, 1, 1, tzinfo=UTC)
P1 = UUID(int=11)
CREATED = DocumentCreated(project=P1, title="Plan", fields={"a": "one", "b": "two"}, at=NOW)
written = st.characters(codec="utf-8", exclude_characters="\x00")
texts = st.dictionaries(st.sampled_from("abc"), st.text(written, max_size=3))


def create(title: str = "Plan", **fields: str) -> CreateDocument:
    return CreateDocument(project=P1, title=title, fields=fields, at=NOW)


def change(**fields: str | None) -> ChangeDocument:
    return ChangeDocument(fields=fields)


def test_a_document_is_created_with_its_fields_as_they_are() -> None:
    created = DocumentCreated(project=P1, title="Plan", fields={"a": " x "}, at=NOW)
    check(DOCUMENT, given=[], when=create(" Plan ", a=" x "), then=[created])


def test_only_what_differs_is_changed() -> None:
    check(
        DOCUMENT,
        given=[CREATED],
        when=ChangeDocument(title="Plan", fields={"a": "one", "b": None, "c": "new"}),
        then=[DocumentChanged(fields={"c": "new"}, dropped=("b",))],
    )
    check(DOCUMENT, given=[CREATED], when=change(a="one", z=None), then=[])


def test_a_version_is_restored_whole() -> None:
    then = RestoreDocument(version=1, title="Plan", fields={"a": "one", "b": "two"})
    check(
        DOCUMENT,
        given=[
            CREATED,
            DocumentChanged(title="Draft", fields={"a": "x", "c": "y"}, dropped=("b",)),
        ],
        when=then,
        then=[
            DocumentChanged(
                title="Plan", fields={"a": "one", "b": "two"}, dropped=("c",), restored=1
            )
        ],
    )
    check(DOCUMENT, given=[CREATED], when=then, then=[])


def test_what_was_removed_is_changed_only_by_restoring_it() -> None:
    gone: list[DocumentEvent] = [CREATED, DocumentRemoved()]
    check(DOCUMENT, given=gone, when=change(a="x"), then=refused("document.removed"))
    check(DOCUMENT, given=gone, when=RemoveDocument(), then=[])
    same = RestoreDocument(version=1, title="Plan", fields=CREATED.fields)
    check(DOCUMENT, given=gone, when=same, then=[DocumentChanged(restored=1)])
    assert not fold(DOCUMENT, [*gone, DocumentChanged(restored=1)]).removed


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (create(" "), "document.bad_title"),
        (create("x" * 201), "document.bad_title"),
        (create(No="x"), "document.bad_field"),
        (create(**{"x" * 65: "x"}), "document.bad_field"),
        (create(a="x\x00"), "text.has_nul"),
        (create(a="x" * (MAX_TEXT + 1)), "document.too_long"),
        (create(**{f"f{n}": "" for n in range(MAX_FIELDS + 1)}), "document.too_many_fields"),
        (create(a="x" * MAX_TEXT, b="x" * MAX_TEXT, c="x" * MAX_TEXT), "document.too_large"),
    ],
)
def test_what_is_too_much_is_refused(command: DocumentCommand, code: str) -> None:
    check(DOCUMENT, given=[], when=command, then=refused(code))


def test_a_change_counts_with_what_is_there() -> None:
    large = DocumentCreated(
        project=P1, title="T", fields={"a": "x" * MAX_TEXT, "b": "x" * MAX_TEXT}, at=NOW
    )
    most = MAX_SIZE - 2 * MAX_TEXT
    check(
        DOCUMENT, given=[large], when=change(c="x" * (most + 1)), then=refused("document.too_large")
    )
    fits = DocumentChanged(fields={"c": "x" * most})
    check(DOCUMENT, given=[large], when=change(c="x" * most), then=[fits])


def test_there_is_one_and_only_one() -> None:
    check(DOCUMENT, given=[], when=RemoveDocument(), then=refused("document.not_found"))
    check(DOCUMENT, given=[CREATED], when=create(), then=refused("document.exists"))


@given(texts, st.lists(texts | st.dictionaries(st.sampled_from("abc"), st.none()), max_size=4))
def test_a_document_says_what_was_written_last(
    first: dict[str, str], changes: list[dict[str, str | None]]
) -> None:
    events: list[DocumentEvent] = [DocumentCreated(project=P1, title="T", fields=first, at=NOW)]
    wanted = dict(first)
    for one in changes:
        events += DOCUMENT.decide(ChangeDocument(fields=one), fold(DOCUMENT, events))
        wanted = {**wanted, **{name: text for name, text in one.items() if text is not None}}
        wanted = {name: text for name, text in wanted.items() if one.get(name, "") is not None}
    state = fold(DOCUMENT, events)
    assert state == Document(P1, "T", wanted)
    restored = DOCUMENT.decide(RestoreDocument(version=1, title="T", fields=first), state)
    assert fold(DOCUMENT, [*events, *restored]).fields == first
