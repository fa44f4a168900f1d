"""A picture's thumbnail as jobs make it: by a child process that is sealed and bounded."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import msgspec

from bench.child import Sample, answer, given
from infra.renditions.model import THUMBNAIL, Format
from infra.renditions.rendering import convert


class Thumbnail(msgspec.Struct, frozen=True):
    path: str  # of a JPEG
    times: int


async def run(load: Thumbnail) -> Sample:
    """`ms` of one, the median."""

    async def make(folder: Path) -> None:
        path = Path(load.path)
        await convert(path, "image/jpeg", Format.WEBP, folder, width=THUMBNAIL)

    return await timed(load.times, make)


async def timed(times: int, make: Callable[[Path], Awaitable[None]]) -> Sample:
    """`make` gets a new folder each time."""
    took: list[float] = []
    for _ in range(times):
        with TemporaryDirectory() as folder:
            start = time.perf_counter()
            await make(Path(folder))
            took.append(time.perf_counter() - start)
    return Sample({"ms": median(took) * 1_000})


if __name__ == "__main__":
    answer(asyncio.run(run(given(Thumbnail))))
