"""Takes a file in as it comes: recognised by its first bytes, counted, hashed, kept, never held."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from hashlib import sha256

import msgspec

from domain.errors import Refused
from infra.blobs.blocks import PATIENT, Piece, blocks
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
    content: AsyncIterator[Piece],
    most: int,
    note: Callable[[int], Awaitable[None]],
) -> Received:
    """Durable when it returns. `note` hears how many bytes there are so far.

    Raises Invalid for what is not to be kept, by its name or first bytes; FileTooLarge; and
    Unavailable: nothing of it is kept then.
    """
    name = proper(name)
    head = await _head(content)
    kind = recognise(bytes(head[:HEAD]), name)
    counted = _Counting(most, note)
    taken = counted.hashed(blocks(counted.through(head, content)))
    await blobs.put(key, taken, content_type=kind.content_type, name=name)
    return Received(key, name, kind.content_type, counted.bytes, counted.hash.hexdigest())


async def _head(content: AsyncIterator[Piece]) -> Piece:
    """As many bytes as are looked at, or all."""
    head = bytearray()
    async for chunk in content:
        if not head and len(chunk) >= HEAD:
            return chunk
        head += chunk
        if len(head) >= HEAD:
            break
    return head


class _Counting:
    def __init__(self, most: int, note: Callable[[int], Awaitable[None]]) -> None:
        self.bytes, self.hash = 0, sha256()
        self._most, self._note = most, note

    async def through(self, head: Piece, rest: AsyncIterator[Piece]) -> AsyncGenerator[Piece]:
        yield await self._counted(head)
        async for chunk in rest:
            yield await self._counted(chunk)

    async def _counted(self, chunk: Piece) -> Piece:
        self.bytes += len(chunk)
        if self.bytes > self._most:
            raise FileTooLarge("file.too_large", most=self._most)
        await self._note(self.bytes)
        return chunk

    async def hashed(self, content: AsyncIterator[Piece]) -> AsyncGenerator[Piece]:
        """Each block while whoever asked for it works on it as well, the next only after that."""
        loop, hashing = asyncio.get_running_loop(), None
        async for block in content:
            if hashing is not None:
                await hashing
            hashing = loop.run_in_executor(PATIENT, self.hash.update, block)
            yield block
        if hashing is not None:
            await hashing
