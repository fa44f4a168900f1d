"""Throw away what was deleted long enough ago, and bytes that no file has."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from domain.errors import NotFound, Refused
from domain.file import FILE, PurgeFile
from domain.hold import HOLD, HOLDS_STREAM
from domain.job_args import PurgeFiles
from infra.eventstore.reader import checkpoint
from infra.resumable import PREFIX, needed_parts
from infra.runtime import Runtime
from infra.uploads import forget_uploads
from projections.contents import needed_keys
from projections.files import OLDEST, Deleted, deleted_files
from projections.read import reading
from workers.model import MAINTENANCE, Context, Job

PAGE = 500
OURS = ("f-", "r-")  # how the keys of files and renditions begin
YOUNG = timedelta(days=1)  # bytes younger than this may be of a file that is still coming in


class Purged(msgspec.Struct, frozen=True):
    """How many of each were removed."""

    files: int
    blobs: int
    uploads: int


async def run(context: Context, _args: PurgeFiles) -> Purged:
    """A retry goes on with what is left."""
    runtime = context.runtime
    files = sum([1 async for _ in _purged(context)])
    seen = await checkpoint(runtime.db, "queries")
    async with runtime.db.connection() as db:
        uploads = await forget_uploads(db, seen)
    blobs = sum([gone async for gone in _orphans(runtime)])
    await context.log(f"{files} files, {blobs} blobs, {uploads} uploads removed")
    return Purged(files, blobs, uploads)


async def _purged(context: Context) -> AsyncGenerator[UUID]:
    """What a legal hold stands on is kept, whoever deleted it."""
    runtime = context.runtime
    before = runtime.now() - timedelta(seconds=runtime.settings.deleted_files_kept_s)
    holds = (await runtime.load(HOLD, HOLDS_STREAM)).state
    held = holds.projects | holds.standing.keys()
    after = OLDEST
    while True:
        async with reading(runtime) as db:
            page = await deleted_files(db, before, after, PAGE)
        for file in page:
            if file.id not in held and file.project not in held and await _purge(context, file):
                yield file.id
        if len(page) < PAGE:
            return
        after = (page[-1].deleted_at, page[-1].id)


async def _purge(context: Context, file: Deleted) -> bool:
    """False: somebody restored it meanwhile."""
    try:
        await context.runtime.execute(
            context.origin, FILE, file.id, PurgeFile(), project=file.project
        )
    except Refused as refused:
        await context.log(f"{file.id}: {refused.code}")
        return False
    return True


async def _orphans(runtime: Runtime) -> AsyncGenerator[int]:
    """Bytes of purged and refused files, and of uploads that never came to be files."""
    head = await runtime.store.head()

    async def of_files(keys: Sequence[str]) -> set[str]:
        async with reading(runtime, min_position=head) as db:
            return await needed_keys(db, keys)

    async def of_uploads(keys: Sequence[str]) -> set[str]:
        async with runtime.db.connection() as db:
            return await needed_parts(db, keys)

    for prefix, needed in (*((ours, of_files) for ours in OURS), (PREFIX, of_uploads)):
        async for gone in unneeded(runtime, prefix, needed):
            yield gone


async def unneeded(
    runtime: Runtime, prefix: str, needed: Callable[[Sequence[str]], Awaitable[set[str]]]
) -> AsyncGenerator[int]:
    after, old = "", runtime.now() - YOUNG
    while page := await runtime.blobs.keys(prefix, after, PAGE):
        kept = await needed(page)
        for key in page:
            if key not in kept and await _since(runtime, key) < old:
                await runtime.blobs.delete(key)
                yield 1
        after = page[-1]


async def _since(runtime: Runtime, key: str) -> datetime:
    """When it came; what is gone meanwhile, another has thrown away."""
    with suppress(NotFound):
        return (await runtime.blobs.head(key)).at
    return runtime.now()


JOB = Job("purge_files", MAINTENANCE, PurgeFiles, run, timeout_s=3_600.0)
