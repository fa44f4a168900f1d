"""Pillow alone makes the same thumbnail, in a process of its own that nothing bounds."""

import asyncio
import sys
from pathlib import Path

import msgspec

from bench.child import Sample, answer, given
from bench.load.thumbnail import timed
from infra.renditions.encoding import METHOD, QUALITY
from infra.renditions.images import GAP
from infra.renditions.model import THUMBNAIL, Format

PROGRAM = """
import sys
from PIL import Image

path, target, width, gap, quality, method = sys.argv[1:3] + [int(one) for one in sys.argv[3:]]
image = Image.open(path)
size = width, round(width * image.height / image.width)
image.draft(None, (gap * size[0], gap * size[1]))
image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=gap)
image.save(target, "WEBP", quality=quality, method=method)
"""


class Bare(msgspec.Struct, frozen=True):
    path: str
    times: int


async def run(load: Bare) -> Sample:
    """`ms` of one, the median."""
    numbers = [str(one) for one in (THUMBNAIL, GAP, QUALITY[Format.WEBP], METHOD)]

    async def make(folder: Path) -> None:
        argv = (sys.executable, "-c", PROGRAM, load.path, str(folder / "made.webp"), *numbers)
        process = await asyncio.create_subprocess_exec(*argv)
        if await process.wait():
            raise RuntimeError("nothing was made")

    return await timed(load.times, make)


if __name__ == "__main__":
    answer(asyncio.run(run(given(Bare))))
