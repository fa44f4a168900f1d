"""Killed before each step that a put or a hand-over makes: a file is whole, and none is lost."""

import asyncio
import os
import signal
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from msgspec.structs import replace

from infra.blobs.door import Blobs
from infra.blobs.sealing import CHUNK
from infra.blobs.tape import PART
from infra.settings import Settings, child_environment
from tests.blobs.conftest import Bucket, files, now, opened, put, read

LEAST = 6  # steps

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

OLD = b"old"


class Dying:
    """A process whose children are killed."""

    def __init__(self, process: Popen[str]) -> None:
        self._process = process

    async def died(self, step: int, what: str, content: Path) -> bool:
        """False: it had no such step, and ended well."""
        code = await asyncio.to_thread(self._lived, f"{step} {what} {content}\n")
        assert code in (0, -signal.SIGKILL)
        return code != 0

    def _lived(self, order: str) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(order)
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def dying(settings: Settings) -> Generator[Dying]:
    command, environment = [sys.executable, "-m", "tests.blobs.dying"], child_environment(settings)
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environment) as process:
        yield Dying(process)  # whose input ends here


def here(settings: Settings) -> Settings:
    return replace(settings, aws_access_key_id="", aws_secret_access_key="", aws_s3_bucket="")


@pytest.fixture
def disk(in_bucket: Settings) -> Iterator[Blobs]:
    """The local disk alone."""
    with opened(here(in_bucket)) as found:
        yield found


async def test_a_put_to_the_disk_is_whole_or_nothing(
    in_bucket: Settings, disk: Blobs, tmp_path: Path
) -> None:
    new, seen = os.urandom(10 * CHUNK + 5), list[bytes]()
    await put(disk, "k", OLD)
    with dying(here(in_bucket)) as process:
        while await process.died(len(seen), "put", written(tmp_path, new)):
            seen.append(await read(disk, "k"))
            assert seen[-1] in (OLD, new)
            await put(disk, "k", OLD)
    assert await read(disk, "k") == new
    assert set(seen) == {OLD, new}  # it was killed on both sides of the rename
    await disk.prune("report-", now())
    assert files(in_bucket) == ["k"]


async def test_a_put_to_s3_is_whole_or_nothing_and_what_is_seen_stays(
    in_bucket: Settings, bucket: Bucket, disk: Blobs, blobs: Blobs, tmp_path: Path
) -> None:
    """The older one is on the local disk, the worst case."""
    new, step = os.urandom(2 * PART + 5), 0
    await put(disk, "k", OLD)
    with dying(in_bucket) as process:
        while await process.died(step, "put", written(tmp_path, new)):
            seen = await read(blobs, "k")
            assert seen in (OLD, new)
            assert (await blobs.hand_over()).left == 0
            assert bucket.content("k") == seen
            await put(disk, "k", OLD)
            step += 1
    assert step > LEAST
    assert bucket.content("k") == new
    await prune_days_later(in_bucket)
    assert (files(in_bucket), bucket.unfinished) == ([], [])


async def test_a_hand_over_loses_nothing(
    in_bucket: Settings, bucket: Bucket, disk: Blobs, blobs: Blobs, tmp_path: Path
) -> None:
    new, step = os.urandom(2 * PART + 5), 0
    await put(disk, "k", new)
    with dying(in_bucket) as process:
        while await process.died(step, "hand_over", tmp_path):
            assert await read(blobs, "k") == new
            assert (await blobs.hand_over()).left == 0
            assert bucket.content("k") == new
            await put(blobs, "k", OLD)
            await put(disk, "k", new)
            step += 1
    assert step > LEAST
    assert bucket.content("k") == new
    await prune_days_later(in_bucket)
    assert (files(in_bucket), bucket.unfinished) == ([], [])


async def prune_days_later(settings: Settings) -> None:
    later = now() + timedelta(days=2)
    with opened(settings, lambda: later) as blobs:
        await blobs.prune("report-", now())


def written(folder: Path, content: bytes) -> Path:
    path = folder / "new"
    path.write_bytes(content)
    return path
