"""Blocks: gathered without a copy where that can be, and memory that is used again in time."""

from collections.abc import AsyncIterator

import pytest

from infra.blobs.blocks import BLOCK, Piece, Shelf, blocks


async def gathered(*pieces: Piece) -> list[Piece]:
    async def content() -> AsyncIterator[Piece]:
        for piece in pieces:
            yield piece

    return [block async for block in blocks(content())]


@pytest.mark.parametrize("size", [1, 1_000, BLOCK - 1, BLOCK, BLOCK + 1])
async def test_small_pieces_make_large_blocks(size: int) -> None:
    pieces = [bytes([n % 251]) * size for n in range(min(9_000, 3 * BLOCK // size + 1))]
    found = await gathered(*pieces)
    assert b"".join(found) == b"".join(pieces)
    assert all(len(block) >= BLOCK for block in found[:-1])


async def test_a_large_piece_is_given_as_it_is() -> None:
    large = bytes(BLOCK)
    assert [block is large for block in await gathered(large, large)] == [True, True]


async def test_nothing_makes_no_block() -> None:
    assert await gathered() == await gathered(b"", bytearray()) == []


def test_a_block_is_used_again_once_nobody_looks_at_it() -> None:
    shelf = Shelf()
    block = shelf.take()
    view = memoryview(block)[:5]
    shelf.put(block)
    other = shelf.take()
    assert other is not block
    view.release()
    assert shelf.take() is block
    assert len(block) == BLOCK
