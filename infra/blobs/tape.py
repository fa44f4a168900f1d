"""Content that can be read but once, part by part, and begun again while its first part is held."""

from collections.abc import AsyncIterator

from infra.blobs.blocks import Piece

PART = 8 << 20  # bytes; S3 takes 10,000 parts, so files of 78 GiB
_NOTHING: Piece = b""


class Tape:
    """Never holds more than one part, and the piece after it."""

    def __init__(self, content: AsyncIterator[Piece] | bytes) -> None:
        self._content = _pieces(content)
        self._part, self._over = bytearray(), _NOTHING
        self._parts = 0  # begun

    async def part(self) -> bytearray:
        """The next PART bytes; fewer: it is the last. None may be asked for after that."""
        self._part = bytearray()
        self._parts += 1
        while (room := PART - len(self._part)) and (piece := await self._next()) is not None:
            self._part += memoryview(piece)[:room]
            self._over = piece[room:]
        return self._part

    async def _next(self) -> Piece | None:
        piece, self._over = self._over, _NOTHING
        return piece or await anext(self._content, None)

    @property
    def is_whole(self) -> bool:
        """Nothing of it is lost: all that was read is held."""
        return self._parts <= 1

    async def again(self) -> AsyncIterator[Piece]:
        """All of it, from the begin, for the last time. Only while it is whole."""
        part, self._part = self._part, bytearray()
        yield part
        yield self._over
        async for piece in self._content:
            yield piece


async def _pieces(content: AsyncIterator[Piece] | bytes) -> AsyncIterator[Piece]:
    if isinstance(content, bytes):
        for at in range(0, len(content), PART):
            yield content[at : at + PART]
        return
    async for piece in content:
        yield piece
