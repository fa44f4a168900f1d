"""Killed before each step that a put or a hand-over makes: a file is whole, and none is lost."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from infra.blobs.sealing import CHUNK
from infra.blobs.tape import PART
from infra.settings import Settings, child_environment
from tests.blobs.conftest import Bucket, files, now, opened, put, read

MOST = 40  # steps
OLD = b"old"


async def died(step: int, settings: Settings, what: str, content: Path) -> bool:
    """False: it had no such step, and ended well."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.blobs.dying", str(step), what, str(content)),
        env=child_environment(settings),
    )
    code = await process.wait()
    assert code in (0, -signal.SIGKILL)
    return code != 0


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Three parts."""
    path = tmp_path / "new"
    path.write_bytes(os.urandom(2 * PART + 5))
    return path


def here(settings: Settings) -> Settings:
    return replace(settings, aws_access_key_id="", aws_secret_access_key="", aws_s3_bucket="")


async def content_of(settings: Settings) -> bytes:
    with opened(settings) as blobs:
        return await read(blobs, "k")


@pytest.mark.timeout(300)
async def test_a_put_to_the_disk_is_whole_or_nothing(in_bucket: Settings, tmp_path: Path) -> None:
    settings, new = here(in_bucket), tmp_path / "new"
    new.write_bytes(os.urandom(10 * CHUNK + 5))
    seen = list[bytes]()
    while True:
        with opened(settings) as blobs:
            await put(blobs, "k", OLD)
        if not await died(len(seen), settings, "put", new):
            break
        seen.append(await content_of(settings))
        assert seen[-1] in (OLD, new.read_bytes())
    assert await content_of(settings) == new.read_bytes()
    assert {OLD, new.read_bytes()} == set(seen)  # it was killed on both sides of the rename
    with opened(settings) as blobs:
        await blobs.prune("report-", now())
    assert files(settings) == ["k"]


@pytest.mark.timeout(300)
async def test_a_put_to_s3_is_whole_or_nothing_and_what_is_seen_stays(
    in_bucket: Settings, bucket: Bucket, new: Path
) -> None:
    """The older one is on the local disk, the worst case."""
    for step in range(MOST):
        with opened(here(in_bucket)) as blobs:
            await put(blobs, "k", OLD)
        if not await died(step, in_bucket, "put", new):
            break
        seen = await content_of(in_bucket)
        assert seen in (OLD, new.read_bytes())
        await handed_over(in_bucket)
        assert bucket.content("k") == seen
    assert step > 6
    assert bucket.content("k") == new.read_bytes()
    assert (files(in_bucket), bucket.unfinished) == ([], [])


@pytest.mark.timeout(300)
async def test_a_hand_over_loses_nothing(in_bucket: Settings, bucket: Bucket, new: Path) -> None:
    for step in range(MOST):
        with opened(in_bucket) as blobs:
            await put(blobs, "k", OLD)
        with opened(here(in_bucket)) as blobs:
            await put(blobs, "k", new.read_bytes())
        if not await died(step, in_bucket, "hand_over", new):
            break
        assert await content_of(in_bucket) == new.read_bytes()
        await handed_over(in_bucket)
        assert bucket.content("k") == new.read_bytes()
    assert step > 6
    assert (files(in_bucket), bucket.unfinished) == ([], [])


async def handed_over(settings: Settings) -> None:
    """By one that lives, and what the dead one began is cleared away."""
    with opened(settings) as blobs:
        assert (await blobs.hand_over()).left == 0
        await blobs.prune("report-", now())
    assert files(settings) == []
