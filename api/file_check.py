"""Whether all that files have is kept as it came: versions and renditions, each read to its end."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

import msgspec

from domain.errors import NotFound
from infra.blobs.model import Damaged
from infra.runtime import Runtime
from projections import contents
from projections.contents import Kept, needed_keys
from projections.read import reading
from projections.rows import FIRST_ID

PAGE = 500
OURS = ("f-", "r-")  # how the keys of files and renditions begin
YOUNG = timedelta(days=1)  # bytes younger than this may be of a file that is still coming in


class Fault(StrEnum):
    MISSING = "missing"
    DAMAGED = "damaged"  # the store itself says so
    DIFFERS = "differs"  # other bytes than came in


class Finding(msgspec.Struct, frozen=True):
    """`rendition`: which one of the version; "": the version itself."""

    file: UUID
    number: int
    project: UUID
    key: str
    fault: Fault
    detail: str = ""
    rendition: str = ""


class Strays(msgspec.Struct, frozen=True):
    """Blobs that no file has. `young`: they may be of files that are still coming in."""

    old: int = 0
    young: int = 0


class Report(msgspec.Struct, frozen=True):
    """`strays` None: not looked for, where one project alone was."""

    versions: int
    renditions: int
    bytes: int
    findings: tuple[Finding, ...]
    strays: Strays | None

    @property
    def ok(self) -> bool:
        return not self.findings


async def check_files(
    runtime: Runtime, project: UUID | None, note: Callable[[int, int], None]
) -> Report:
    """`note(bytes, of)` hears how far it is. Files may come and go meanwhile.

    Raises Unavailable where the store does not answer, BehindPosition without a projector.
    """
    await _needed(runtime, ())  # all that was uploaded before is seen
    total = sum([one.bytes async for one in _kept(runtime, project)])
    findings, versions, made, done = list[Finding](), 0, 0, 0
    note(0, total)
    async for one in _kept(runtime, project):
        found = await _fault(runtime, one)
        if found and await _needed(runtime, [one.key]):
            findings.append(found)
        versions, made = versions + (not one.rendition), made + bool(one.rendition)
        done += one.bytes
        note(done, max(done, total))
    strays = await _strays(runtime) if project is None else None
    return Report(versions, made, done, tuple(findings), strays)


async def _kept(runtime: Runtime, project: UUID | None) -> AsyncGenerator[Kept]:
    after = FIRST_ID, 0
    while True:
        async with reading(runtime) as db:
            page = await contents.kept(db, after, PAGE)
        if not page:
            return
        for one in page:
            if project in (None, one.project):
                yield one
        after = page[-1].file, page[-1].number


async def _fault(runtime: Runtime, kept: Kept) -> Finding | None:
    def found(fault: Fault, detail: str = "") -> Finding:
        of = kept.file, kept.number, kept.project
        return Finding(*of, kept.key, fault, detail, kept.rendition)

    try:
        size, digest = await _read(runtime, kept.key)
    except NotFound:
        return found(Fault.MISSING)
    except Damaged as error:
        return found(Fault.DAMAGED, str(error))
    if size != kept.bytes:
        return found(Fault.DIFFERS, f"{size} bytes of {kept.bytes}")
    return None if digest == kept.sha256 else found(Fault.DIFFERS, f"SHA-256 is {digest}")


async def _read(runtime: Runtime, key: str) -> tuple[int, str]:
    size, digest = 0, sha256()
    opened = await runtime.blobs.open(key)
    try:
        async for piece in opened.content:
            size += len(piece)
            digest.update(piece)
    finally:
        await opened.content.aclose()
    return size, digest.hexdigest()


async def _needed(runtime: Runtime, keys: Sequence[str]) -> set[str]:
    """Those of these that a file has by now."""
    async with reading(runtime, min_position=await runtime.store.head()) as db:
        return await needed_keys(db, keys)


async def _strays(runtime: Runtime) -> Strays:
    """As the nightly purge sees them."""
    since = runtime.now() - YOUNG
    found = [one async for one in _stray_since(runtime)]
    return Strays(sum(at < since for at in found), sum(at >= since for at in found))


async def _stray_since(runtime: Runtime) -> AsyncGenerator[datetime]:
    for prefix in OURS:
        after = ""
        while page := await runtime.blobs.keys(prefix, after, PAGE):
            for key in set(page) - await _needed(runtime, page):
                with suppress(NotFound):  # thrown away since it was listed
                    yield (await runtime.blobs.head(key)).at
            after = page[-1]
