"""Document: a text of a project that people write together, in fields that change one by one."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domain.errors import Invalid, NotFound, WrongState
from domain.kernel import Command, Decider, Event
from domain.text import checked, no_nul

MAX_TITLE = 200  # characters
MAX_FIELDS = 50
MAX_TEXT = 20_000  # characters of one field
MAX_SIZE = 50_000  # characters of all fields
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")

Fields: TypeAlias = Mapping[str, str]


class DocumentCreated(Event, frozen=True, kw_only=True, tag="document.created.v1"):
    project: UUID
    title: str
    fields: Mapping[str, str] = {}
    at: datetime


class DocumentChanged(Event, frozen=True, kw_only=True, tag="document.changed.v1"):
    """What is named is as it says from now on; `restored` is the version it was taken from."""

    title: str | UnsetType = UNSET
    fields: Mapping[str, str] = {}
    dropped: tuple[str, ...] = ()
    restored: int | None = None


class DocumentRemoved(Event, frozen=True, kw_only=True, tag="document.removed.v1"):
    """Its text stays in the log: auditors and replays see it, and it can be restored."""


class CreateDocument(Command, frozen=True, kw_only=True, tag="create_document"):
    project: UUID
    title: str
    fields: Mapping[str, str] = {}
    at: datetime


class ChangeDocument(Command, frozen=True, kw_only=True, tag="change_document"):
    """Fields that are not named stay as they are; one that is None goes."""

    title: str | UnsetType = UNSET
    fields: Mapping[str, str | None] = {}


class RestoreDocument(Command, frozen=True, kw_only=True, tag="restore_document"):
    """`title` and `fields`: all that it said at `version`."""

    version: int
    title: str
    fields: Fields


class RemoveDocument(Command, frozen=True, kw_only=True, tag="remove_document"):
    pass


DocumentEvent: TypeAlias = DocumentCreated | DocumentChanged | DocumentRemoved
DocumentCommand: TypeAlias = CreateDocument | ChangeDocument | RestoreDocument | RemoveDocument


class Document(msgspec.Struct, frozen=True):
    project: UUID | None = None  # None: not created
    title: str = ""
    fields: Mapping[str, str] = {}
    removed: bool = False


def decide(command: DocumentCommand, document: Document) -> list[DocumentEvent]:
    if isinstance(command, CreateDocument):
        return _create(command, document)
    if document.project is None:
        raise NotFound("document.not_found")
    match command:
        case RestoreDocument():
            return _restore(command, document)
        case RemoveDocument():
            return [] if document.removed else [DocumentRemoved()]
        case ChangeDocument():
            return _change(command, document)
        case _:
            assert_never(command)


def _create(command: CreateDocument, document: Document) -> list[DocumentEvent]:
    if document.project is not None:
        raise WrongState("document.exists")
    return [
        DocumentCreated(
            project=command.project,
            title=_title(command.title),
            fields=_checked(command.fields),
            at=command.at,
        )
    ]


def _change(command: ChangeDocument, document: Document) -> list[DocumentEvent]:
    if document.removed:
        raise WrongState("document.removed")
    title = command.title if command.title is UNSET else _title(command.title)
    said = {name: text for name, text in command.fields.items() if text is not None}
    kept = {n: text for n, text in document.fields.items() if command.fields.get(n, "") is not None}
    return _difference(document, title, _checked({**kept, **said}), None)


def _restore(command: RestoreDocument, document: Document) -> list[DocumentEvent]:
    """Brings a removed one back, even as it was."""
    title, fields = _title(command.title), _checked(command.fields)
    changed = _difference(document, title, fields, command.version)
    return changed or ([DocumentChanged(restored=command.version)] if document.removed else [])


def _difference(
    document: Document, title: str | UnsetType, fields: Fields, restored: int | None
) -> list[DocumentEvent]:
    was = document.fields
    changed = DocumentChanged(
        title=UNSET if title == document.title else title,
        fields={name: text for name, text in fields.items() if was.get(name) != text},
        dropped=tuple(sorted(was.keys() - fields.keys())),
    )
    if changed == DocumentChanged():
        return []
    return [msgspec.structs.replace(changed, restored=restored)]


def _title(text: str) -> str:
    return checked(text, "document.bad_title", MAX_TITLE)


def _checked(fields: Fields) -> Fields:
    """Texts are kept as they were written, blanks included."""
    if len(fields) > MAX_FIELDS:
        raise Invalid("document.too_many_fields", most=MAX_FIELDS)
    for name, text in fields.items():
        if not NAME.fullmatch(name):
            raise Invalid("document.bad_field", field=name[:80], like=NAME.pattern)
        if len(no_nul(text)) > MAX_TEXT:
            raise Invalid("document.too_long", field=name, length=len(text), most=MAX_TEXT)
    size = sum(map(len, fields.values()))
    if size > MAX_SIZE:
        raise Invalid("document.too_large", length=size, most=MAX_SIZE)
    return fields


def evolve(document: Document, event: DocumentEvent) -> Document:
    match event:
        case DocumentCreated():
            return Document(event.project, event.title, event.fields)
        case DocumentChanged(title=title):
            kept = {n: text for n, text in document.fields.items() if n not in event.dropped}
            return Document(
                project=document.project,
                title=document.title if title is UNSET else title,
                fields={**kept, **event.fields},
                removed=document.removed and event.restored is None,
            )
        case DocumentRemoved():
            return msgspec.structs.replace(document, removed=True)
        case _:
            assert_never(event)


DOCUMENT = Decider(
    name="document",
    initial=Document(),
    decide=decide,
    evolve=evolve,
    events=(DocumentCreated, DocumentChanged, DocumentRemoved),
)
