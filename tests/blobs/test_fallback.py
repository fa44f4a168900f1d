"""S3 is away: files are kept on the local disk, handed over later, and none is lost by a race."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from bench.seaweed import Seaweed, seaweed
from domain.errors import NotFound
from infra.blobs import s3 as s3_module
from infra.blobs.door import Blobs, HandedOver
from infra.blobs.model import About, Unavailable
from infra.blobs.s3 import S3, StagedParts, StagedWhole
from infra.blobs.tape import PART, Tape
from infra.settings import Settings
from tests.blobs.conftest import (
    Bucket,
    alone,
    files,
    in_s3,
    made,
    now,
    opened,
    put,
    read,
)

LARGE = bytes(range(256)) * (2 * PART // 256 + 5)  # three parts


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 100_000):
        yield content[at : at + 100_000]


async def kept_locally(settings: Settings, key: str, content: bytes) -> None:
    with opened(alone(settings)) as blobs:
        await put(blobs, key, pieces(content))
    assert key in files(settings)


class Slow(S3):
    """What is staged waits, before it is to be seen, until it may go on."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.staged, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def stage(self, about: About, tape: Tape) -> StagedWhole | StagedParts:
        staged = await super().stage(about, tape)
        self.staged.set()
        await self.may_go_on.wait()
        return staged


class Handing:
    """A hand-over that has all bytes in S3, and has shown them to nobody yet."""

    def __init__(self, settings: Settings) -> None:
        self._far = Slow(settings)
        self._blobs = Blobs(settings, now, self._far)
        self._task = asyncio.create_task(self._blobs.hand_over())

    async def staged(self) -> None:
        await self._far.staged.wait()

    async def end(self) -> HandedOver:
        self._far.may_go_on.set()
        done = await self._task
        self._blobs.close()
        return done


@pytest.mark.parametrize("content", [b"", b"small", LARGE])
async def test_what_cannot_go_to_s3_is_kept_here_and_handed_over_later(
    content: bytes, in_bucket: Settings, bucket: Bucket
) -> None:
    with opened(alone(in_bucket)) as blobs:
        await put(blobs, "k", pieces(content))
        assert await read(blobs, "k") == content
    assert files(in_bucket) == ["k"]
    with opened(in_bucket) as blobs:
        assert await read(blobs, "k") == content
        assert await blobs.keys() == ["k"]
        assert await blobs.hand_over() == HandedOver(1, len(content), 0)
        assert await blobs.hand_over() == HandedOver()
        found = await blobs.head("k")
        assert (found.name, found.content_type) == ("Größe/.csv", "text/csv")
        assert await read(blobs, "k") == content
    assert (files(in_bucket), bucket.content("k")) == ([], content)
    assert bucket.unfinished == []


async def test_while_s3_is_away_nothing_that_needs_it_is_answered(in_bucket: Settings) -> None:
    with opened(alone(in_bucket)) as blobs:
        await put(blobs, "here", b"x")
        for asked in (
            blobs.open("there"),
            blobs.head("there"),
            blobs.delete("here"),
            blobs.keys(),
            blobs.prune("report-", now()),
        ):
            with pytest.raises(Unavailable):
                await asked
        assert await read(blobs, "here") == b"x"
        assert (await blobs.hand_over()).left == 1
    only_there = replace(alone(in_bucket), local_storage_enabled=False)
    with opened(only_there) as blobs, pytest.raises(Unavailable):
        await put(blobs, "k", b"x")


async def test_who_asks_too_often_is_not_kept_waiting(in_bucket: Settings) -> None:
    """A bucket that takes connections and never answers."""
    with socket.socket() as hanging, pytest.MonkeyPatch.context() as patch:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen()
        patch.setattr(s3_module, "READ_S", 0.2)
        address = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        with opened(replace(in_bucket, aws_endpoint_url=address)) as blobs:
            for n in range(3):
                await put(blobs, f"file-{n}", b"x")
            async with asyncio.timeout(0.2):  # one more would take longer to fail
                with pytest.raises(Unavailable):
                    await blobs.head("there")
    assert files(in_bucket) == ["file-0", "file-1", "file-2"]


async def test_a_put_that_s3_drops_in_the_middle_fails_and_the_next_one_is_kept_here(
    tmp_path: Path,
) -> None:
    with seaweed(tmp_path) as server:
        made(server, "bucket")
        settings = in_s3(server.url, "bucket", tmp_path)
        with opened(settings) as blobs:
            with pytest.raises(Unavailable):
                await put(blobs, "k", dropped(server, after=PART + 200_000))
            with pytest.raises(Unavailable):  # not there, and nobody can say that it is nowhere
                await read(blobs, "k")
            server.start()
            await put(blobs, "k", LARGE)  # S3 is back, but left alone for a while
            assert (files(settings), await read(blobs, "k")) == (["k"], LARGE)


async def test_a_put_that_s3_drops_while_its_first_part_is_held_goes_on_here(
    tmp_path: Path,
) -> None:
    with seaweed(tmp_path) as server:
        made(server, "bucket")
        settings = in_s3(server.url, "bucket", tmp_path)
        with opened(settings) as blobs:
            await put(blobs, "k", dropped(server, after=200_000))
            assert (files(settings), await read(blobs, "k")) == (["k"], LARGE)


async def dropped(server: Seaweed, after: int) -> AsyncIterator[bytes]:
    given = 0
    async for piece in pieces(LARGE):
        if given <= after < given + len(piece):
            server.kill()
        given += len(piece)
        yield piece


# Which of two counts


async def test_the_newer_in_s3_takes_the_place_of_the_older_here(
    in_bucket: Settings, bucket: Bucket
) -> None:
    await kept_locally(in_bucket, "k", b"old")
    with opened(in_bucket) as blobs:
        await put(blobs, "k", b"new")
        assert (files(in_bucket), await read(blobs, "k")) == ([], b"new")
        assert await blobs.hand_over() == HandedOver()
    assert bucket.content("k") == b"new"


async def test_the_newer_here_goes_before_the_older_in_s3(
    in_bucket: Settings, bucket: Bucket, blobs: Blobs
) -> None:
    await put(blobs, "k", b"old")
    await kept_locally(in_bucket, "k", b"new")
    assert await read(blobs, "k") == b"new"
    assert await blobs.keys() == ["k"]
    await blobs.hand_over()
    assert (await read(blobs, "k"), bucket.content("k")) == (b"new", b"new")


@pytest.mark.parametrize("first", [b"old", LARGE])
async def test_what_is_put_to_s3_during_a_hand_over_stays(
    first: bytes, in_bucket: Settings, bucket: Bucket, blobs: Blobs
) -> None:
    await kept_locally(in_bucket, "k", first)
    handing = Handing(in_bucket)
    await handing.staged()
    await put(blobs, "k", b"new")
    assert await handing.end() == HandedOver(0, 0, 1)
    assert (await read(blobs, "k"), bucket.content("k")) == (b"new", b"new")
    assert bucket.unfinished == []


@pytest.mark.parametrize("first", [b"old", LARGE])
async def test_what_is_put_here_during_a_hand_over_stays(
    first: bytes, in_bucket: Settings, bucket: Bucket, blobs: Blobs
) -> None:
    await kept_locally(in_bucket, "k", first)
    handing = Handing(in_bucket)
    await handing.staged()
    await kept_locally(in_bucket, "k", b"new")
    assert await handing.end() == HandedOver(0, 0, 1)
    assert (await read(blobs, "k"), bucket.keys) == (b"new", [])
    assert await blobs.hand_over() == HandedOver(1, 3, 0)
    assert bucket.content("k") == b"new"


@pytest.mark.parametrize("first", [b"old", LARGE])
async def test_what_is_deleted_during_a_hand_over_does_not_come_back(
    first: bytes, in_bucket: Settings, bucket: Bucket, blobs: Blobs
) -> None:
    await kept_locally(in_bucket, "k", first)
    handing = Handing(in_bucket)
    await handing.staged()
    await blobs.delete("k")
    assert await handing.end() == HandedOver(0, 0, 1)
    with pytest.raises(NotFound):
        await read(blobs, "k")
    assert (files(in_bucket), bucket.keys, bucket.unfinished) == ([], [], [])


async def test_of_two_hand_overs_one_works(in_bucket: Settings, blobs: Blobs) -> None:
    await kept_locally(in_bucket, "k", b"x")
    handing = Handing(in_bucket)
    await handing.staged()
    assert await blobs.hand_over() == HandedOver()
    assert await handing.end() == HandedOver(1, 1, 0)


async def test_who_reads_while_it_is_handed_over_reads_to_the_end(
    in_bucket: Settings, blobs: Blobs
) -> None:
    await kept_locally(in_bucket, "k", LARGE)
    found = await blobs.open("k")
    assert (await blobs.hand_over()).files == 1
    assert b"".join([piece async for piece in found.content]) == LARGE


async def test_one_that_is_damaged_keeps_no_other_back(in_bucket: Settings, blobs: Blobs) -> None:
    for key in ("a", "b", "c"):
        await kept_locally(in_bucket, key, b"x")
    cut_off(in_bucket, "b")
    assert await blobs.hand_over() == HandedOver(2, 2, 1)
    assert files(in_bucket) == ["b"]


def cut_off(settings: Settings, key: str) -> None:
    (path,) = Path(settings.local_storage_path).glob(f"??/{key}")
    path.write_bytes(path.read_bytes()[:-1])


async def test_the_old_ones_go_in_both_places(in_bucket: Settings, blobs: Blobs) -> None:
    await kept_locally(in_bucket, "report-a", b"x")
    await put(blobs, "report-b", b"x")
    assert await blobs.prune("report-", now() + timedelta(hours=1)) == 2
    assert await blobs.keys() == []


async def test_a_link_leads_to_where_it_lies(in_bucket: Settings, blobs: Blobs) -> None:
    await kept_locally(in_bucket, "k", b"x")
    expires = now() + timedelta(hours=1)
    link = await blobs.link("k", "a", "text/plain", expires)
    assert link.startswith("http://localhost:5014/uploads/k?expires=")
    await blobs.hand_over()
    link = await blobs.link("k", "a", "text/plain", expires)
    assert link.startswith(f"{in_bucket.aws_endpoint_url}/{in_bucket.aws_s3_bucket}/k?")
