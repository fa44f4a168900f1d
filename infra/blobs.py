"""Files that are kept: one a key, there as a whole or not at all, on the local disk."""

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO

import msgspec

from domain.errors import Invalid, NotFound
from infra.settings import Settings

KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")  # what we make up, never what people write
CHUNK = 1 << 18  # bytes
LENGTH = 4  # bytes, of the head's length, big-endian


class _Head(msgspec.Struct, frozen=True):
    """In front of the content, in the same file: what is renamed at once fits together."""

    name: str
    content_type: str


class Blob(msgspec.Struct, frozen=True):
    """What is known of a file. `name`: as people see it, so anything."""

    key: str
    name: str
    content_type: str
    bytes: int
    at: datetime


class Opened(msgspec.Struct, frozen=True):
    """`content` is to be read to its end, or closed."""

    blob: Blob
    content: AsyncIterator[bytes]


class Blobs:
    """Under LOCAL_STORAGE_PATH, which all processes must see."""

    def __init__(self, settings: Settings) -> None:
        self._root = Path(settings.local_storage_path).resolve()

    async def put(
        self, key: str, content: AsyncIterator[bytes] | bytes, *, content_type: str, name: str
    ) -> Blob:
        """Durable when it returns; in place of what the key had."""
        path = self._path(key)
        head = msgspec.json.encode(_Head(name, content_type))
        part = await asyncio.to_thread(_begin, path, len(head).to_bytes(LENGTH) + head)
        try:
            async for chunk in _chunks(content):
                await asyncio.to_thread(part.write, chunk)
            await asyncio.to_thread(_finish, part, path)
        except BaseException:
            _discard(part)
            raise
        return await asyncio.to_thread(_look, key, path)

    async def open(self, key: str, start: int = 0, end: int | None = None) -> Opened:
        """Its bytes from `start` to before `end`. Raises NotFound."""
        path = self._path(key)
        try:
            file, blob = await asyncio.to_thread(_open, key, path)
        except FileNotFoundError:
            raise NotFound("file.not_found", key=key) from None
        end = blob.bytes if end is None else min(end, blob.bytes)
        file.seek(start, os.SEEK_CUR)
        return Opened(blob, _read(file, end - start))

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    async def prune(self, prefix: str, older_than: datetime) -> int:
        """Remove those whose key begins so, and what was never finished; how many there were."""
        return await asyncio.to_thread(self._prune, prefix, older_than.timestamp())

    def _prune(self, prefix: str, before: float) -> int:
        removed = 0
        for path in self._root.glob("??/*"):
            mine = path.name.startswith((prefix, "."))
            try:
                if mine and path.stat().st_mtime < before:
                    path.unlink()
                    removed += not path.name.startswith(".")
            except FileNotFoundError:  # another's, who prunes as well
                continue
        return removed

    def _path(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise Invalid("file.bad_key")
        return self._root / sha256(key.encode()).hexdigest()[:2] / key


async def _chunks(content: AsyncIterator[bytes] | bytes) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    async for chunk in content:
        yield chunk


def _begin(path: Path, head: bytes) -> IO[bytes]:
    """A file beside, for its owner only."""
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    beside.touch(mode=0o600, exist_ok=False)
    part = beside.open("wb")
    part.write(head)
    return part


def _discard(part: IO[bytes]) -> None:
    part.close()
    Path(part.name).unlink(missing_ok=True)


def _finish(part: IO[bytes], path: Path) -> None:
    """The name must not be there before the bytes are, whatever the disk does in between."""
    with part:
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).replace(path)
    for folder in (path.parent, path.parent.parent):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _open(key: str, path: Path) -> tuple[IO[bytes], Blob]:
    file = path.open("rb")
    return file, _described(key, file)


def _look(key: str, path: Path) -> Blob:
    with path.open("rb") as file:
        return _described(key, file)


def _described(key: str, file: IO[bytes]) -> Blob:
    """Leaves the file at its content."""
    length = int.from_bytes(file.read(LENGTH))
    head = msgspec.json.decode(file.read(length), type=_Head)
    stat = os.fstat(file.fileno())
    at = datetime.fromtimestamp(stat.st_mtime, UTC)
    return Blob(key, head.name, head.content_type, stat.st_size - LENGTH - length, at)


async def _read(file: IO[bytes], left: int) -> AsyncIterator[bytes]:
    with file:
        while left > 0 and (chunk := await asyncio.to_thread(file.read, min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
