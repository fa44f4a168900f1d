"""S3 is killed at each step of an upload, a hand-over and a direct upload: nothing is lost."""

import os
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import httpx
import pytest
from msgspec.structs import replace

from bench.seaweed import Seaweed, seaweed
from domain.file import FILE
from infra.blobs import breaker
from infra.blobs.door import HandedOver
from infra.blobs.tape import PART
from infra.runtime import Runtime
from infra.settings import Settings
from tests.blobs.conftest import Bucket, alone, files, in_s3, made, opened, put, read
from tests.faults.children import LONG
from tests.faults.s3_killing import killed_before
from tests.faults.sending import Ann, left, uploading
from tests.http import PLAIN
from tests.integration.conftest import refusal
from tests.integration.reading import asking
from tests.integration.tus import Tus
from tests.workers.office import until

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(300)]

SIZE = 2 * PART + 5  # three parts
BEGIN, FIRST_PART, SECOND_PART, COMPLETE, LOOK = 0, 1, 2, 4, 5  # what S3 is asked in turn
DIRECT = "/api/v1/realtime/files/direct"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Seaweed]:
    with seaweed(tmp_path / "s3") as one:
        yield one


@pytest.fixture
def bucket(server: Seaweed) -> Iterator[Bucket]:
    one = made(server, "bucket")
    yield one
    one.client.close()


@pytest.fixture
def settings(settings: Settings, server: Seaweed, bucket: Bucket) -> Settings:
    s3 = in_s3(server.url, bucket.name, Path(settings.local_storage_path).parent)
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_s3_bucket", "aws_endpoint_url")
    return replace(settings, **{name: getattr(s3, name) for name in names})


@pytest.fixture
async def ann(projected: Runtime, settings: Settings) -> AsyncIterator[Ann]:
    async with uploading(settings) as one:
        yield one


def whole() -> bytes:
    return (os.urandom(16).hex().encode() + b"S3 goes in the middle of it\n" * SIZE)[:SIZE]


async def handed_over(settings: Settings, count: int) -> None:
    """By another process, which knows nothing of S3's absence."""
    with opened(settings) as blobs:
        assert await blobs.hand_over() == HandedOver(count, count * SIZE)
    assert files(settings) == []


async def kept(ann: Ann, bucket: Bucket, file: UUID, content: bytes) -> None:
    """Its one version is in S3."""
    (version,) = (await ann.runtime.load(FILE, file)).state.versions
    assert version.sha256 == sha256(content).hexdigest()
    assert bucket.content(version.key) == content
    assert (await left(ann.runtime)).coming == 0


@pytest.mark.parametrize("step", [BEGIN, FIRST_PART])
async def test_while_the_first_part_is_held_the_upload_goes_on_here(
    step: int, ann: Ann, server: Seaweed, bucket: Bucket, settings: Settings
) -> None:
    content = whole()
    with killed_before(server, step) as killing:
        sent = await ann.send(ann.raw(content, "once").wire)
    assert (sent.status, killing.done, len(files(settings))) == (201, True, 1)
    await handed_over(settings, 1)
    await kept(ann, bucket, sent.id, content)


@pytest.mark.parametrize("step", [SECOND_PART, COMPLETE, LOOK])
async def test_later_it_is_told_to_come_again_and_is_kept_here_then(
    step: int, ann: Ann, server: Seaweed, bucket: Bucket, settings: Settings
) -> None:
    request = ann.raw(content := whole(), "again")
    with killed_before(server, step) as killing:
        sent = await ann.send(request.wire)
        assert (sent.status, killing.done) == (503, True), sent.body
        assert b"file.unavailable" in sent.body
        there = await left(ann.runtime)
        assert (there.blobs, there.coming) == (frozenset(), 0)
        sent = await ann.send(request.wire)
        assert (sent.status, len(files(settings))) == (201, 1), sent.body
    await handed_over(settings, 1)
    await kept(ann, bucket, sent.id, content)


@pytest.mark.parametrize("step", [FIRST_PART, SECOND_PART, COMPLETE])
async def test_a_part_of_an_upload_comes_again_as_well(
    step: int, ann: Ann, server: Seaweed, bucket: Bucket, settings: Settings
) -> None:
    content = whole()
    async with asking(ann.url) as client:
        tus = Tus(client, ann.token)
        path = await tus.begin(str(ann.project), SIZE)
        with killed_before(server, step):
            last = await tus.add(path, 0, content)
            if step != FIRST_PART:
                assert refusal(last) == "503 file.unavailable"
                assert "Retry-After" in last.headers
                assert await tus.offset(path) == 0
                last = await tus.add(path, 0, content)
            assert last.status_code == 204, last.text
    await handed_over(settings, 2)  # the part as well: while S3 is away, nothing is deleted
    await kept(ann, bucket, UUID(path.rpartition("/")[2]), content)


@LONG
async def test_killed_at_any_step_of_a_hand_over_it_is_done_by_the_next(
    server: Seaweed, bucket: Bucket, settings: Settings
) -> None:
    step, content = 0, whole()
    while True:
        with opened(alone(settings)) as blobs:
            await put(blobs, "k", content)
        with killed_before(server, step) as killing, opened(settings) as blobs:
            done = await blobs.hand_over()
            assert done.left == killing.done
            if killing.done:
                assert await read(blobs, "k") == content
        if not killing.done:
            break
        await handed_over(settings, 1)
        assert bucket.content("k") == content
        bucket.client.delete_object(Bucket=bucket.name, Key="k")
        step += 1
    assert step > LOOK


@LONG
async def test_killed_at_any_step_of_a_direct_upload_s_end_it_is_a_file_once(
    ann: Ann, server: Seaweed, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "REST_S", 0.05)
    step, killed = 0, True
    async with asking(ann.url) as client:
        client.headers["Authorization"] = f"Bearer {ann.token}"
        while killed:
            content = whole()[: PART + 5]
            begun, etags = await brought(ann, client, content)
            where = f"{DIRECT}/{begun['upload']}/complete"
            with killed_before(server, step) as killing:
                first = await client.post(where, json=etags)
                assert first.status_code in (201, 503), first.text
                killed = killing.done
                if not killed:
                    assert first.status_code == 201

            again = await completed(client, where, etags)
            assert (again.status_code, again.json()["version"]) == (201, 1), (step, again.text)
            with opened(settings) as blobs:
                (version,) = (await ann.runtime.load(FILE, UUID(begun["file"]))).state.versions
                assert await read(blobs, version.key) == content, step
            assert (await left(ann.runtime)).coming == 0, step
            step += 1
    assert step > LOOK


async def completed(client: httpx.AsyncClient, where: str, etags: Any) -> httpx.Response:
    """Once S3 is tried again."""

    async def asked() -> httpx.Response | Literal[False]:
        answer = await client.post(where, json=etags)
        return answer if answer.status_code != 503 else False

    found = await until(asked)
    assert found
    return found


async def brought(ann: Ann, client: httpx.AsyncClient, content: bytes) -> tuple[Any, Any]:
    """As a client does it: what S3 answered to each part."""
    wanted = {"project": str(ann.project), "name": "a.txt", "bytes": len(content)}
    begun = (await client.post(DIRECT, json=wanted)).json()
    size, etags = begun["part_bytes"], list[str]()
    async with httpx.AsyncClient(verify=PLAIN, trust_env=False, timeout=60) as s3:
        for at, url in enumerate(begun["urls"]):
            answer = await s3.put(url, content=content[at * size : (at + 1) * size])
            etags.append(answer.headers["ETag"])
    return begun, {"etags": etags}
