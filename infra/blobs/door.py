"""The one door to the files: S3 where it is set and can be reached, the local disk otherwise.

What lies on the local disk is newer than what S3 has of the same key: reads look there first, and
`hand_over` moves it. Whatever changes which of the two counts (the end of a put, a delete, the end
of a hand-over) is done under the key's lock, so that an older file never takes a newer one's place.

A put reads its content once and holds 8 MiB of it. If S3 fails before any of it is let go, the put
goes on to the local disk; later it raises Unavailable, and S3 is left alone for long enough that
the next attempt goes to the local disk.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime, timedelta
from heapq import nsmallest
from typing import IO

import msgspec
import structlog

from domain.errors import NotFound
from infra.blobs.blocks import Piece
from infra.blobs.breaker import Breaker
from infra.blobs.local import Local
from infra.blobs.locks import Locks, unbroken
from infra.blobs.model import (
    About,
    Blob,
    Cdn,
    Damaged,
    Far,
    Opened,
    Parts,
    Staged,
    Unavailable,
    checked,
    not_found,
)
from infra.blobs.tape import Tape
from infra.links import Links
from infra.settings import Settings, SettingsError

HANDING_OVER = "HAND OVER"  # the lock of all of it: no key is written so
LONGEST = timedelta(days=7)  # that Signature Version 4 allows a link to live
LONGEST_PUT = timedelta(days=1)  # what is older and not finished never will be
PAGE = 1_000  # keys

log = structlog.get_logger()


class HandedOver(msgspec.Struct, frozen=True):
    """What went to S3. `left`: files that still wait; damaged ones among them."""

    files: int = 0
    bytes: int = 0
    left: int = 0


class Blobs:
    def __init__(
        self,
        settings: Settings,
        now: Callable[[], datetime],
        far: Far | None = None,
        cdn: Cdn | None = None,
    ) -> None:
        self._settings, self._now = settings, now
        self.far, self._cdn, self._breaker = far, cdn, Breaker()
        self._local, self._locally = Local(settings), settings.local_storage_enabled
        self._locks = Locks(self._local.root)

    async def probe(self) -> None:
        """Where S3 does not answer it is left alone, before anybody waits for it; until it does.

        Raises Unavailable.
        """
        if self.far is None:
            return
        try:
            await self.far.probe()
        except Unavailable:
            self._breaker.trip()
            raise
        self._breaker.reset()

    def close(self) -> None:
        if self.far is not None:
            self.far.close()

    async def put(
        self, key: str, content: AsyncIterator[Piece] | bytes, *, content_type: str, name: str
    ) -> Blob:
        """Durable when it returns; in place of what the key had. Raises Unavailable."""
        about, tape = About(checked(key), name, content_type), Tape(content)
        if self.far is not None:
            try:
                with self._breaker.attempt():
                    staged = await self.far.stage(about, tape)
                    return await self._shown(staged, key, is_far=True)
            except Unavailable as error:
                if not tape.is_whole:
                    self._breaker.trip()
                if not (tape.is_whole and self._locally):
                    raise
                log.warning("file_kept_locally", key=key, why=str(error))
        staged = await self._local.stage(about, tape.again())
        return await self._shown(staged, key, is_far=False)

    async def open(self, key: str, start: int = 0, end: int | None = None) -> Opened:
        """Its bytes from `start` to before `end`. Raises NotFound, Unavailable."""
        if self._locally:
            with suppress(NotFound):
                return await self._local.open(key, start, end)
        with self._reached(key) as far:
            return await far.open(key, start, end)

    async def head(self, key: str) -> Blob:
        """Raises NotFound, Unavailable."""
        if self._locally:
            with suppress(NotFound):
                return await self._local.head(key)
        with self._reached(key) as far:
            return await far.head(key)

    async def delete(self, key: str) -> None:
        """Gone for good when it returns. Raises Unavailable while S3 may have it as well."""
        if self.far is None:
            await self._local.delete(checked(key))
            return
        with self._breaker.attempt():
            await unbroken(self._delete(self.far, checked(key)))

    async def prune(self, prefix: str, older_than: datetime) -> int:
        """Remove those whose key begins so, and what was never finished; how many there were."""
        removed = await self._local.prune(prefix, older_than) if self._locally else 0
        if self.far is None:
            return removed
        with self._breaker.attempt():
            await self.far.forget_unfinished(self._now() - LONGEST_PUT)
            async for key, at in _all(self.far, prefix):
                if at < older_than:
                    removed += await unbroken(self._expire(self.far, key, older_than))
        return removed

    async def keys(self, prefix: str = "", after: str = "", limit: int = PAGE) -> list[str]:
        """Those that begin so and come after that one, in order. Raises Unavailable."""
        near = await self._local.listed(prefix, after, limit) if self._locally else []
        if self.far is None:
            return near
        with self._breaker.attempt():
            far = await self.far.listed(prefix, after, limit)
        return nsmallest(limit, {*near, *(key for key, _ in far)})

    async def link(
        self, key: str, name: str, content_type: str, expires: datetime, asking: str = ""
    ) -> str:
        """An address that opens the file for whoever has it, until then: at most a week in S3.

        `asking`: for that address alone, as `address_of` says it. S3 knows no such links, and
        CloudFront none for IPv6: those lead to us, who read from S3.
        """
        near = self.far is None or (self._locally and await self._local.has(key))
        if self.far is None or near or (asking and (self._cdn is None or ":" in asking)):
            query = Links(self._settings).query(checked(key), expires, address=asking)
            return f"{self._settings.local_public_url.rstrip('/')}/{key}?{query}"
        if self._cdn is not None:
            return self._cdn(checked(key), expires, address=asking or None)
        lives = min(expires - self._now(), LONGEST)
        return self.far.link(key, name, content_type, max(1, int(lives.total_seconds())))

    async def begin_parts(self, key: str, sizes: Sequence[int], lives_s: int) -> Parts | None:
        """For a client that brings them to S3 itself; None: there is none, or not now."""
        if self.far is None:
            return None
        try:
            with self._breaker.attempt():
                return await self.far.begin_parts(checked(key), sizes, lives_s)
        except Unavailable:
            return None

    async def join_parts(self, key: str, upload: str, etags: Sequence[str]) -> Blob:
        """What they are together. Again: the same. Raises Invalid, NotFound, Unavailable."""
        with self._reached(key) as far:
            await far.join_parts(key, upload, etags)
            return await far.head(key)

    async def drop_parts(self, key: str, upload: str) -> None:
        """Nothing can be put there any more. Raises Unavailable."""
        with self._reached(key) as far:
            await far.drop_parts(key, upload)

    async def hand_over(self) -> HandedOver:
        """Move what lies locally to S3. Killed at any instant, the next one goes on.

        One at a time; what cannot be moved now stays where it is.
        """
        moved = HandedOver()
        if self.far is None or not self._locally:
            return moved
        async with self._locks.tried(HANDING_OVER) as is_mine:
            if is_mine:
                async for key in self._waiting():
                    moved = await self._hand_over(self.far, key, moved)
        return moved

    async def _waiting(self) -> AsyncGenerator[str]:
        page = await self._local.listed("", "", PAGE)
        while page:
            for key in page:
                yield key
            page = await self._local.listed("", page[-1], PAGE)

    async def _hand_over(self, far: Far, key: str, so_far: HandedOver) -> HandedOver:
        try:
            with self._breaker.attempt():
                size = await self._move(far, key)
        except NotFound:
            return so_far
        except Unavailable:  # the next may fare better; where none does, the breaker is soon open
            return msgspec.structs.replace(so_far, left=so_far.left + 1)
        except Damaged as error:
            log.error("file_damaged", key=key, why=str(error))  # noqa: TRY400, its own words suffice
            return msgspec.structs.replace(so_far, left=so_far.left + 1)
        if size is None:
            return msgspec.structs.replace(so_far, left=so_far.left + 1)
        return HandedOver(so_far.files + 1, so_far.bytes + size, so_far.left)

    async def _move(self, far: Far, key: str) -> int | None:
        """Its bytes; None where another took its place meanwhile, or it is gone."""
        with await self._local.hold(key) as held:
            opened = await self._local.open(key)
            blob = opened.blob
            try:
                about = About(key, blob.name, blob.content_type)
                staged = await far.stage(about, Tape(opened.content))
            finally:
                await opened.content.aclose()
            try:
                if await unbroken(self._moved(staged, blob, held)):
                    return blob.bytes
            except BaseException:
                await staged.discard()
                raise
            await staged.discard()
            return None

    async def _moved(self, staged: Staged, blob: Blob, held: IO[bytes]) -> bool:
        async with self._held(blob.key):
            if not await self._local.is_still(blob.key, held):
                return False
            stored = await staged.commit()
            if stored.bytes != blob.bytes:
                raise Damaged(f"{blob.key}: S3 has {stored.bytes} bytes of {blob.bytes}")
            await self._local.delete(blob.key)
            return True

    async def _shown(self, staged: Staged, key: str, *, is_far: bool) -> Blob:
        try:
            return await unbroken(self._show(staged, key, is_far=is_far))
        except BaseException:
            await staged.discard()
            raise

    async def _show(self, staged: Staged, key: str, *, is_far: bool) -> Blob:
        async with self._held(key):
            blob = await staged.commit()
            if is_far and self._locally:
                await self._local.delete(key)
            return blob

    async def _delete(self, far: Far, key: str) -> None:
        """First where it is not looked for first: it does not come back in between."""
        async with self._held(key):
            await far.delete(key)
            if self._locally:
                await self._local.delete(key)

    async def _expire(self, far: Far, key: str, older_than: datetime) -> bool:
        """Unless another took its place since it was listed."""
        async with self._held(key):
            try:
                expires = (await far.head(key)).at < older_than
            except NotFound:
                return False
            if expires:
                await far.delete(key)
            return expires

    @asynccontextmanager
    async def _held(self, key: str) -> AsyncGenerator[None]:
        """Where there is but one place, that one sees to it."""
        if self.far is None or not self._locally:
            yield
            return
        async with self._locks.held(key):
            yield

    @contextmanager
    def _reached(self, key: str) -> Generator[Far]:
        if self.far is None:
            raise not_found(key)
        with self._breaker.attempt():
            yield self.far


async def _all(far: Far, prefix: str) -> AsyncGenerator[tuple[str, datetime]]:
    page = await far.listed(prefix, "", PAGE)
    while page:
        for one in page:
            yield one
        page = await far.listed(prefix, page[-1][0], PAGE)


def open_blobs(settings: Settings, now: Callable[[], datetime]) -> Blobs:
    """As the settings say; to be closed. Raises SettingsError where they make no sense."""
    if not with_s3(settings):
        if not settings.local_storage_enabled:
            raise SettingsError("LOCAL_STORAGE_ENABLED: is false, and no AWS_S3_BUCKET is set")
        return Blobs(settings, now)
    # Most processes never see a bucket: boto3 takes 25 MB and half a second.
    from infra.blobs.cloudfront import CloudFront  # noqa: PLC0415
    from infra.blobs.s3 import S3  # noqa: PLC0415

    cdn = CloudFront(settings).link if settings.cloudfront_url else None
    return Blobs(settings, now, S3(settings), cdn)


def with_s3(settings: Settings) -> bool:
    """Raises SettingsError where S3 is half set."""
    needed = ("aws_access_key_id", "aws_secret_access_key", "aws_s3_bucket")
    missing = [name.upper() for name in needed if not getattr(settings, name)]
    if 0 < len(missing) < len(needed):
        raise SettingsError(f"{', '.join(missing)}: not set, and S3 needs all three")
    return not missing
