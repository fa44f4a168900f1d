"""Audit: that somebody read the audit, and the searches that a reader keeps."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias, assert_never
from uuid import UUID, uuid5

import msgspec

from domain.errors import Invalid, NotFound, WrongState
from domain.kernel import Command, Decider, Event
from domain.text import checked, no_nul

MAX_NAME = 80  # characters
MAX_TEXT = 200  # characters of a filter's texts
MAX_FILTERS = 100  # of one reader

SPACE = UUID("b7b7c0a4-1f5e-5a2b-8a53-6c1de0a9d2f1")
NOBODY = UUID(int=0)  # the stream's name for who holds the database's password

What: TypeAlias = Literal["list", "event", "tree", "stream", "export"]


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to look for; None is everything. `type` is a whole tag, `until` is not in the range."""

    actor: UUID | None = None
    aggregate: str | None = None
    subject: UUID | None = None
    type: str | None = None
    project: UUID | None = None
    command_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    search: str | None = None  # words of what people wrote, as in a search engine's box


class AuditRead(Event, frozen=True, kw_only=True, tag="audit.read.v1"):
    """`count`: the events that were shown; `of`: the position or the stream, where it is one."""

    what: What
    filter: AuditFilter = AuditFilter()
    of: str = ""
    count: int


class AuditFilterSaved(Event, frozen=True, kw_only=True, tag="audit.filter_saved.v1"):
    name: str
    filter: AuditFilter


class AuditFilterRemoved(Event, frozen=True, kw_only=True, tag="audit.filter_removed.v1"):
    name: str


class NoteAuditRead(Command, frozen=True, kw_only=True, tag="read_audit"):
    what: What
    filter: AuditFilter = AuditFilter()
    of: str = ""
    count: int


class SaveAuditFilter(Command, frozen=True, kw_only=True, tag="save_audit_filter"):
    name: str
    filter: AuditFilter


class RemoveAuditFilter(Command, frozen=True, kw_only=True, tag="remove_audit_filter"):
    name: str


AuditEvent: TypeAlias = AuditRead | AuditFilterSaved | AuditFilterRemoved
AuditCommand: TypeAlias = NoteAuditRead | SaveAuditFilter | RemoveAuditFilter


class Audit(msgspec.Struct, frozen=True):
    """A reader's searches by name; that something was read decides nothing."""

    filters: Mapping[str, AuditFilter] = {}


def reads_stream(reader: UUID | None) -> UUID:
    """Where what somebody read is written down; appended to blindly."""
    return uuid5(SPACE, f"reads {reader or NOBODY}")


def filters_stream(reader: UUID | None) -> UUID:
    """Apart from what was read, so that it stays short."""
    return uuid5(SPACE, f"filters {reader or NOBODY}")


def decide(command: AuditCommand, audit: Audit) -> list[AuditEvent]:
    match command:
        case NoteAuditRead(what=what, filter=wanted, of=of, count=count):
            wanted = checked_filter(wanted)
            return [AuditRead(what=what, filter=wanted, of=no_nul(of), count=count)]
        case SaveAuditFilter(name=name, filter=wanted):
            return _save(checked(name, "audit.bad_name", MAX_NAME), checked_filter(wanted), audit)
        case RemoveAuditFilter(name=name):
            if name not in audit.filters:
                raise NotFound("audit.filter_not_found", name=name)
            return [AuditFilterRemoved(name=name)]
        case _:
            assert_never(command)


def _save(name: str, wanted: AuditFilter, audit: Audit) -> list[AuditEvent]:
    if audit.filters.get(name) == wanted:
        return []
    if name not in audit.filters and len(audit.filters) >= MAX_FILTERS:
        raise WrongState("audit.too_many_filters", most=MAX_FILTERS)
    return [AuditFilterSaved(name=name, filter=wanted)]


def checked_filter(wanted: AuditFilter) -> AuditFilter:
    """The same. Raises Invalid for text that no event can have."""
    for text in (wanted.aggregate, wanted.type, wanted.search):
        if text is not None and len(no_nul(text)) > MAX_TEXT:
            raise Invalid("audit.filter_too_long", most=MAX_TEXT)
    return wanted


def evolve(audit: Audit, event: AuditEvent) -> Audit:
    match event:
        case AuditRead():
            return audit
        case AuditFilterSaved(name=name, filter=wanted):
            return Audit({**audit.filters, name: wanted})
        case AuditFilterRemoved(name=name):
            return Audit({key: one for key, one in audit.filters.items() if key != name})
        case _:
            assert_never(event)


AUDIT = Decider(
    name="audit",
    initial=Audit(),
    decide=decide,
    evolve=evolve,
    events=(AuditRead, AuditFilterSaved, AuditFilterRemoved),
)
