"""Takes a file in as it comes: recognised by its first bytes, counted, hashed, kept, never held."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from hashlib import sha256

import msgspec

from domain.errors import Refused
from infra.blobs.door import Blobs
from infra.inspecting.names import proper
from infra.inspecting.recognising import HEAD, recognise


class FileTooLarge(Refused):
    """More bytes than a file may have."""


class Received(msgspec.Struct, frozen=True):
    key: str
    name: str
    content_type: str
    bytes: int
    sha256: str


async def receive(
    blobs: Blobs,
    key: str,
    name: str,
    content: AsyncIterator[bytes],
    most: int,
    note: Callable[[int], Awaitable[None]],
) -> Received:
    """Durable when it returns. `note` hears how many bytes there are so far.

    Raises Invalid for what is not to be kept, by its name or first bytes; FileTooLarge; and
    Unavailable: nothing of it is kept then.
    """
    name = proper(name)
    head = await _head(content)
    kind = recognise(head, name)
    counted = _Counting(most, note)
    await blobs.put(key, counted.through(head, content), content_type=kind.content_type, name=name)
    return Received(key, name, kind.content_type, counted.bytes, counted.hash.hexdigest())


async def _head(content: AsyncIterator[bytes]) -> bytes:
    """As many bytes as are looked at, or all."""
    head = bytearray()
    async for chunk in content:
        head += chunk
        if len(head) >= HEAD:
            break
    return bytes(head)


class _Counting:
    def __init__(self, most: int, note: Callable[[int], Awaitable[None]]) -> None:
        self.bytes, self.hash = 0, sha256()
        self._most, self._note = most, note

    async def through(self, head: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        yield await self._counted(head)
        async for chunk in rest:
            yield await self._counted(chunk)

    async def _counted(self, chunk: bytes) -> bytes:
        self.bytes += len(chunk)
        if self.bytes > self._most:
            raise FileTooLarge("file.too_large", most=self._most)
        self.hash.update(chunk)
        await self._note(self.bytes)
        return chunk
