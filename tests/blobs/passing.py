"""python -m tests.blobs.passing WHAT:BYTES ...: a process whose memory is measured.

`put` and `read` of so many bytes; after each it prints its peak in KiB.
"""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator

from infra.blobs.door import Blobs, open_blobs
from infra.settings import load_settings
from tests.blobs.conftest import now

PIECE = 1 << 16


async def _pieces(size: int) -> AsyncIterator[bytes]:
    for at in range(0, size, PIECE):
        yield bytes(min(PIECE, size - at))


async def _do(what: str, blobs: Blobs, size: int) -> None:
    if what == "put":
        await blobs.put("k", _pieces(size), content_type="text/plain", name="a")
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
        sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}\n")
    blobs.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
