"""Whoever reads the audit: the searches they keep by name, and the note of what they look at."""

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec

from domain.audit import (
    AUDIT,
    AuditFilter,
    NoteAuditRead,
    What,
    checked_filter,
    filters_stream,
    reads_stream,
)
from domain.errors import NotFound
from infra.runtime import Origin, Runtime
from projections.audit_export import Export


class SavedFilter(msgspec.Struct, frozen=True):
    name: str
    filter: AuditFilter


def narrowed(kept: AuditFilter, given: AuditFilter) -> AuditFilter:
    """What was kept, but for what is given here. Raises Invalid."""
    named = {key: one for key, one in msgspec.structs.asdict(given).items() if one is not None}
    return checked_filter(msgspec.structs.replace(kept, **named))


async def note_read(
    runtime: Runtime,
    origin: Origin,
    what: What,
    count: int,
    wanted: AuditFilter | None = None,
    of: str = "",
) -> None:
    """Write down who looks at what, before they see it."""
    command = NoteAuditRead(what=what, filter=wanted or AuditFilter(), of=of, count=count)
    await runtime.execute(origin, AUDIT, reads_stream(origin.actor), command, blind=True)


async def saved_filters(runtime: Runtime, reader: UUID | None) -> list[SavedFilter]:
    """One's own, by name. None: of who holds the database's password."""
    found = (await runtime.load(AUDIT, filters_stream(reader))).state.filters
    return [SavedFilter(name, found[name]) for name in sorted(found)]


async def saved_filter(runtime: Runtime, reader: UUID | None, name: str) -> AuditFilter:
    """Raises NotFound."""
    found = (await runtime.load(AUDIT, filters_stream(reader))).state.filters
    if name not in found:
        raise NotFound("audit.filter_not_found", name=name)
    return found[name]


async def noted(
    runtime: Runtime, origin: Origin, export: Export, wanted: AuditFilter
) -> AsyncIterator[bytes]:
    """The same; at its end, or where its reader stops, how many events it was is written down."""
    try:
        async for part in export:
            yield part
    finally:
        await note_read(runtime, origin, "export", export.count, wanted, of="ended")
