"""Files on the local disk, sealed: one a key, there as a whole or not at all."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from heapq import nsmallest
from pathlib import Path
from typing import IO

import structlog

from infra.blobs.blocks import PATIENT, Piece, blocks
from infra.blobs.locks import unbroken
from infra.blobs.model import About, Blob, Flow, Full, Opened, checked, not_found
from infra.blobs.parting import Part
from infra.blobs.plain import Plain, is_plain
from infra.blobs.sealing import CHUNK, Head, Keyring, Sealer, Unsealed
from infra.settings import Settings

AT_ONCE = 16 * CHUNK  # bytes that a thread reads before the next may
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}

log = structlog.get_logger()


class Local:
    """Under LOCAL_STORAGE_PATH, which all processes must see."""

    def __init__(self, settings: Settings) -> None:
        self.root = Path(settings.local_storage_path).resolve()
        self._settings = settings
        self._keys: Keyring | None = None

    @property
    def keys(self) -> Keyring:
        """Raises SettingsError where there is none."""
        if self._keys is None:
            self._keys = Keyring.of(self._settings)
        return self._keys

    async def stage(self, about: About, content: AsyncIterator[Piece]) -> "StagedFile":
        """Raises Full."""
        with _room():
            return await self._stage(about, content)

    async def _stage(self, about: About, content: AsyncIterator[Piece]) -> "StagedFile":
        path = self._path(about.key)
        sealer = Sealer(self.keys, about.key, Head(about.name, about.content_type))
        part = await asyncio.to_thread(_begin, path, sealer)
        staged = StagedFile(about, part, path)
        in_thread = asyncio.get_running_loop().run_in_executor
        try:
            async for block in blocks(content):
                staged.bytes += len(block)
                await unbroken(in_thread(PATIENT, part.write, block))
            await unbroken(in_thread(None, part.end))
        except BaseException:
            await staged.discard()
            raise
        return staged

    async def open(self, key: str, start: int = 0, end: int | None = None) -> Opened:
        """Its bytes from `start` to before `end`. Raises NotFound."""
        file = await asyncio.to_thread(self._open, key)
        try:
            unsealed = await asyncio.to_thread(self._unsealed, key, file)
        except BaseException:
            file.close()
            raise
        blob = _described(key, unsealed, file)
        end = blob.bytes if end is None else min(end, blob.bytes)
        return Opened(blob, Flow(_pieces(unsealed, start, end), file.close))

    async def head(self, key: str) -> Blob:
        """Raises NotFound."""
        return await asyncio.to_thread(self._head, key)

    async def has(self, key: str) -> bool:
        return await asyncio.to_thread(self._path(key).exists)

    async def hold(self, key: str) -> IO[bytes]:
        """To tell it from others by, until it is closed. Raises NotFound."""
        return await asyncio.to_thread(self._open, key)

    async def is_still(self, key: str, held: IO[bytes]) -> bool:
        """That one, not another that came meanwhile, and not gone."""
        return await asyncio.to_thread(_is, self._path(key), held)

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(_delete, self._path(key))

    async def prune(self, prefix: str, older_than: datetime) -> int:
        """Remove those whose key begins so, and what was never finished; how many there were."""
        return await asyncio.to_thread(self._prune, prefix, older_than.timestamp())

    async def listed(self, prefix: str, after: str, limit: int) -> list[str]:
        """The keys that begin so and come after that one, in order."""
        return await asyncio.to_thread(self._listed, prefix, after, limit)

    def _listed(self, prefix: str, after: str, limit: int) -> list[str]:
        names = (path.name for path in self.root.glob("??/*"))
        begin = (one for one in names if one[0] != "." and one.startswith(prefix) and one > after)
        return nsmallest(limit, begin)

    def _prune(self, prefix: str, before: float) -> int:
        removed = 0
        for path in self.root.glob("??/*"):
            mine = path.name.startswith((prefix, "."))
            try:
                if mine and path.stat().st_mtime < before:
                    path.unlink()
                    removed += not path.name.startswith(".")
            except FileNotFoundError:  # another's, who prunes as well
                continue
        return removed

    def _path(self, key: str) -> Path:
        return self.root / sha256(checked(key).encode()).hexdigest()[:2] / key

    def _open(self, key: str) -> IO[bytes]:
        try:
            return self._path(key).open("rb")
        except FileNotFoundError:
            raise not_found(key) from None

    def _unsealed(self, key: str, file: IO[bytes]) -> Unsealed | Plain:
        return Plain(key, file) if is_plain(key, file) else Unsealed(self.keys, key, file)

    def _head(self, key: str) -> Blob:
        with self._open(key) as file:
            return _described(key, self._unsealed(key, file), file)


class StagedFile:
    """A file beside its place, durable already."""

    def __init__(self, about: About, part: Part, path: Path) -> None:
        self._about, self._part, self._path = about, part, path
        self.bytes = 0

    async def commit(self) -> Blob:
        """Raises Full."""
        with _room():
            return await self._commit()

    async def _commit(self) -> Blob:
        at = await asyncio.to_thread(_appear, self._part, self._path)
        about = self._about
        return Blob(about.key, about.name, about.content_type, self.bytes, at)

    async def discard(self) -> None:
        await asyncio.to_thread(_discard, self._part)


@contextmanager
def _room() -> Generator[None]:
    """Raises Full where there is none."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        log.error("storage_full", why=str(error))  # noqa: TRY400, its own words suffice
        raise Full(str(error)) from None


def _begin(path: Path, sealer: Sealer) -> Part:
    for folder in (path.parent.parent, path.parent):
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(folder.parent)
    return Part(path, sealer)


def _appear(part: Part, path: Path) -> datetime:
    """The name must not be there before the bytes are, whatever the disk does in between."""
    with part.file as file:
        at = _changed(file)
    part.path.replace(path)
    _sync(path.parent)
    return at


def _changed(file: IO[bytes]) -> datetime:
    return datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)


def _discard(part: Part) -> None:
    with suppress(OSError):  # of a disk that is full
        part.file.close()
    part.path.unlink(missing_ok=True)


def _delete(path: Path) -> None:
    """Gone for good: not there again after a power cut."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    _sync(path.parent)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _is(path: Path, held: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(held.fileno()))
    except FileNotFoundError:
        return False


def _described(key: str, unsealed: Unsealed | Plain, file: IO[bytes]) -> Blob:
    head = unsealed.head
    return Blob(key, head.name, head.content_type, unsealed.bytes, _changed(file))


def _pieces(unsealed: Unsealed | Plain, start: int, end: int) -> Iterator[bytes]:
    """Only the chunks that have some of it are read."""
    while start < end:
        chunks = range(start // CHUNK, -(-min(end, start // CHUNK * CHUNK + AT_ONCE) // CHUNK))
        held = b"".join(map(unsealed.chunk, chunks))
        first = chunks.start * CHUNK
        yield held[start - first : end - first]
        start = chunks.stop * CHUNK
