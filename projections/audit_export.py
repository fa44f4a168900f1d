"""Exporting the audit: everything that matches, up to the head of now, in constant memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec

from domain.audit import AuditFilter
from infra.runtime import Runtime
from infra.signing import Signer
from projections.audit_files import MANIFEST, WRITERS, AuditFormat, Manifest, Sink
from projections.audit_list import next_page
from projections.read import reading
from projections.rows import fetch_one

HEAD = "SELECT position FROM formula_checkpoints WHERE name = 'audit'"


class _Head(msgspec.Struct, frozen=True):
    position: int


class Wish(msgspec.Struct, frozen=True):
    """Who wants which events, in which format."""

    filter: AuditFilter
    format: AuditFormat
    by: UUID | None
    at: datetime


class Export:
    """A zip that is made as it is read; afterwards `count` says how many events are in it."""

    def __init__(
        self, runtime: Runtime, wish: Wish, note: Callable[[int, int], None] | None = None
    ) -> None:
        self.count = 0
        self._runtime, self._wish, self._note = runtime, wish, note
        self._first: int | None = None
        self._last: int | None = None
        self._parts: list[bytes] = []

    async def __aiter__(self) -> AsyncIterator[bytes]:
        head = await self._head()
        name = f"audit.{self._wish.format}"
        # Written forwards only, so that nothing has to be kept.
        with ZipFile(Sink(self._parts.append), "w", ZIP_DEFLATED) as archive:
            with archive.open(name, "w", force_zip64=True) as entry:
                sink = Sink(entry.write)
                async for part in self._rows(sink, head):
                    yield part
            manifest = self._manifest(name, head, sink.sha256)
            archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        yield self._taken()

    async def _rows(self, sink: Sink, head: int) -> AsyncIterator[bytes]:
        """A page at a time, each with a connection of its own: whoever reads may be slow."""
        writer = WRITERS[self._wish.format](sink)
        after: int | None = 0
        while after is not None:
            reads = reading(self._runtime, min_position=head, group="audit", replica=True)
            async with reads as db:
                found = await next_page(db, self._wish.filter, after, head)
            if found.rows:
                self._first = self._first or found.rows[0].position
                self._last = found.rows[-1].position
                self.count += len(found.rows)
                await asyncio.to_thread(writer.add, found.rows)
            after = found.next
            if self._note is not None:
                self._note(head if after is None else after, head)
            if part := self._taken():
                yield part
        await asyncio.to_thread(writer.finish)

    async def _head(self) -> int:
        async with reading(self._runtime, group="audit") as db:
            row = await fetch_one(db, _Head, HEAD, {})
        return row.position if row else 0

    def _manifest(self, name: str, head: int, digest: str) -> Manifest:
        signer, wish = Signer(self._runtime.settings), self._wish
        return Manifest(
            file=name,
            filter=wish.filter,
            head=head,
            count=self.count,
            first=self._first,
            last=self._last,
            sha256=digest,
            exported_at=wish.at,
            exported_by=wish.by,
            public_key=signer.public_key,
        ).signed(signer)

    def _taken(self) -> bytes:
        part = b"".join(self._parts)
        self._parts.clear()
        return part
