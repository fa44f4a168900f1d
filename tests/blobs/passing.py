"""python -m tests.blobs.passing WHAT:BYTES ...: a process whose memory is measured.

`put` and `read` of so many bytes; after each it prints its peak in KiB.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from infra.blobs.door import Blobs, open_blobs
from infra.settings import load_settings
from tests.blobs.conftest import now

PIECE = 1 << 16
STATUS = Path("/proc/self/status")


async def _pieces(size: int) -> AsyncIterator[bytes]:
    for at in range(0, size, PIECE):
        yield bytes(min(PIECE, size - at))


async def _do(what: str, blobs: Blobs, size: int) -> None:
    if what == "put":
        key = "k" if size > PIECE else "small"
        await blobs.put(key, _pieces(size), content_type="text/plain", name="a")
    elif what == "hand_over":
        assert (await blobs.hand_over()).bytes == size
    else:
        opened, read = await blobs.open("k"), 0
        async for piece in opened.content:
            read += len(piece)
        assert read == size


async def main(*steps: str) -> None:
    blobs = open_blobs(load_settings(), now)
    for step in steps:
        what, _, size = step.partition(":")
        await _do(what, blobs, int(size))
        sys.stdout.write(f"{_peak()}\n")
    blobs.close()


def _peak() -> int:
    """Of this program: ru_maxrss has what the process was before it in it."""
    (line,) = [one for one in STATUS.read_text().splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
