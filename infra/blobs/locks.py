"""Locks by key that all processes on a folder keep, and that end with the process.

Each is one byte of one file, locked by an open file description (fcntl(2), Linux): nothing is
left behind, and threads of one process exclude one another as processes do.
"""

import asyncio
import fcntl
import os
import struct
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

PAUSE_S = 0.01  # between looks: who waits must not hold a thread that the holder may need
FLOCK = struct.Struct("hhqqi4x")

T = TypeVar("T")


class Locks:
    def __init__(self, root: Path) -> None:
        self._file = root / ".lock"

    @asynccontextmanager
    async def held(self, key: str) -> AsyncGenerator[None]:
        """Waits for whoever has it."""
        opened = await asyncio.to_thread(self._open)
        try:
            while not _taken(opened, key):  # noqa: ASYNC110, another process has it
                await asyncio.sleep(PAUSE_S)
            yield
        finally:
            os.close(opened)

    @asynccontextmanager
    async def tried(self, key: str) -> AsyncGenerator[bool]:
        """False where somebody has it."""
        opened = await asyncio.to_thread(self._open)
        try:
            yield _taken(opened, key)
        finally:
            os.close(opened)

    def _open(self) -> int:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _taken(opened: int, key: str) -> bool:
    offset = int.from_bytes(sha256(key.encode()).digest()[:7])
    wanted = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)
    try:
        fcntl.fcntl(opened, fcntl.F_OFD_SETLK, wanted)
    except BlockingIOError:
        return False
    return True


async def unbroken(work: Awaitable[T]) -> T:
    """To its end, also when whoever waits is called off: a thread cannot be stopped, and what it
    does must not come after the lock is given back."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # somebody has to have asked
        raise
