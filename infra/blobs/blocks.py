"""Content in large blocks: what is done with each in a thread is worth the way there and back."""

import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

BLOCK = 2 << 20  # bytes: less costs more in changes of threads, more costs memory

Piece: TypeAlias = bytes | bytearray | memoryview  # nobody changes what was given away


def _give_way() -> None:
    """To the event loop, and to Postgres: of Linux's threads each has a niceness of its own."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


# What is hashed and sealed: no more at a time than there are cores, and after everybody else.
PATIENT = ThreadPoolExecutor(
    max(2, os.cpu_count() or 1), thread_name_prefix="blocks", initializer=_give_way
)


async def blocks(content: AsyncIterator[Piece]) -> AsyncGenerator[Piece]:
    """Small pieces are gathered; a large one goes on as it is, for a copy costs as much as a seal.

    Only the last may be smaller than BLOCK.
    """
    held = bytearray()
    async for piece in content:
        if not held and len(piece) >= BLOCK:
            yield piece
            continue
        held += piece
        if len(held) >= BLOCK:
            yield held
            held = bytearray()
    if held:
        yield held


class Shelf:
    """Blocks to read into, each again once nobody looks at it any more.

    Fresh memory costs more than to seal what is in it: the system clears it page by page.
    """

    def __init__(self) -> None:
        self._blocks: list[bytearray] = []

    def take(self) -> bytearray:
        """One that nobody has a view of. To be put back with the views of it that were given."""
        found = next((one for one in self._blocks if _is_free(one)), None)
        if found is None:
            return bytearray(BLOCK)
        self._blocks.remove(found)
        return found

    def put(self, block: bytearray) -> None:
        self._blocks.append(block)


def _is_free(block: bytearray) -> bool:
    """Python lets nobody change the size of what is looked at."""
    try:
        block.append(0)
    except BufferError:
        return False
    del block[BLOCK:]
    return True
