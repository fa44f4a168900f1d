"""`cp` and fsync: what the disk does with the same file."""

import os
import subprocess
import time
from pathlib import Path

import msgspec

from bench.child import Sample, answer, given


class Copied(msgspec.Struct, frozen=True):
    path: str


def run(load: Copied) -> Sample:
    """`mb_per_s`, until it is durable."""
    path = Path(load.path)
    target = path.with_suffix(".copy")
    start = time.perf_counter()
    subprocess.run(("cp", path, target), check=True)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    took = time.perf_counter() - start
    target.unlink()
    return Sample({"mb_per_s": path.stat().st_size / took / 1e6})


if __name__ == "__main__":
    answer(run(given(Copied)))
