"""Files in S3: a real server, and what it has is looked at by itself."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import httpx
import pytest
from msgspec.structs import replace

from domain.errors import NotFound
from infra.blobs.door import Blobs, open_blobs
from infra.blobs.tape import PART
from infra.settings import Settings, SettingsError
from tests.blobs.conftest import Bucket, files, now, opened, put, read
from tests.http import PLAIN
from tests.workers.office import until

LARGE = bytes(range(256)) * (2 * PART // 256 + 5)  # three parts


async def pieces(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


@pytest.mark.parametrize("content", [b"", b"small", LARGE[: 2 * PART], LARGE])
async def test_what_is_put_is_in_the_bucket_sealed_by_it(
    content: bytes, blobs: Blobs, bucket: Bucket, in_bucket: Settings
) -> None:
    await put(blobs, "k", pieces(content))
    assert bucket.content("k") == content
    head = bucket.head("k")
    assert head["ServerSideEncryption"] == "AES256"
    assert head["ContentType"] == "text/csv; charset=utf-8"
    assert head["ContentDisposition"].startswith("attachment; ")
    assert head["ContentDisposition"].endswith("filename*=UTF-8''Gr%C3%B6%C3%9Fe%2F.csv")
    found = await blobs.head("k")
    assert (found.name, found.content_type, found.bytes) == (
        "Größe/.csv",
        "text/csv",
        len(content),
    )
    assert (await read(blobs, "k"), files(in_bucket), bucket.unfinished) == (content, [], [])


async def test_bytes_larger_than_a_part_are_the_same_as_a_stream(
    blobs: Blobs, bucket: Bucket
) -> None:
    await put(blobs, "k", LARGE)
    assert bucket.content("k") == LARGE


async def test_a_key_of_ones_own_seals_where_it_is_set(in_bucket: Settings, bucket: Bucket) -> None:
    with opened(replace(in_bucket, aws_kms_key_id="the-key")) as blobs:
        await put(blobs, "k", b"x")
        await put(blobs, "l", LARGE)
    for key in "kl":
        head = bucket.head(key)
        assert head["ServerSideEncryption"] == "aws:kms"
        assert "the-key" in head["SSEKMSKeyId"]


async def test_a_part_of_it_can_be_read(blobs: Blobs) -> None:
    await put(blobs, "k", b"0123456789")
    assert await read(blobs, "k", 8) == b"89"
    assert await read(blobs, "k", 3, 5) == b"34"
    assert await read(blobs, "k", 9, 2_000) == b"9"
    for start, end in ((10, 20), (5, 5), (0, 0)):
        found = await blobs.open("k", start, end)
        assert (found.blob.bytes, [piece async for piece in found.content]) == (10, [])
    assert (await blobs.open("k", 2, 4)).blob.bytes == 10


async def test_what_is_not_there_is_not_found_and_may_be_deleted(blobs: Blobs) -> None:
    await put(blobs, "k", b"x")
    for _ in range(2):
        await blobs.delete("k")
        with pytest.raises(NotFound):
            await blobs.open("k")
        with pytest.raises(NotFound):
            await blobs.head("k")


async def test_content_that_fails_leaves_what_was_there(blobs: Blobs, bucket: Bucket) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield LARGE
        raise ZeroDivisionError

    await put(blobs, "k", b"old")
    with pytest.raises(ZeroDivisionError):
        await put(blobs, "k", failing())
    assert (bucket.content("k"), bucket.unfinished) == (b"old", [])


async def test_the_old_ones_of_a_kind_go(blobs: Blobs, bucket: Bucket) -> None:
    for key in ("report-a", "report-b", "file-a"):
        await put(blobs, key, b"x")
    assert await blobs.prune("report-", now() - timedelta(hours=1)) == 0
    assert await blobs.prune("report-", now() + timedelta(hours=1)) == 2
    assert bucket.keys == ["file-a"]


@pytest.mark.parametrize(("hours", "left"), [(23, ["k"]), (25, [])])
async def test_what_was_not_finished_in_a_day_goes(
    hours: int, left: list[str], in_bucket: Settings, bucket: Bucket
) -> None:
    bucket.client.create_multipart_upload(Bucket=bucket.name, Key="k")
    later = now() + timedelta(hours=hours)
    with opened(in_bucket, lambda: later) as blobs:
        await blobs.prune("report-", later)
    assert bucket.unfinished == left


async def test_keys_come_in_order_page_by_page(blobs: Blobs, in_bucket: Settings) -> None:
    keys = sorted(f"file-{n:x}" for n in range(25))
    for key in reversed(keys):
        await put(blobs, key, b"")
    await put(blobs, "other", b"")
    seen, page = list[str](), await blobs.keys("file-", limit=10)
    while page:
        seen += page
        page = await blobs.keys("file-", page[-1], limit=10)
    assert seen == keys
    assert await blobs.keys() == [*keys, "other"]


async def test_a_link_opens_the_file_for_whoever_has_it(blobs: Blobs) -> None:
    await put(blobs, "k", b"content")
    link = await blobs.link("k", "ä.txt", "text/plain", now() + timedelta(days=30))
    assert "X-Amz-Expires=604800" in link
    answer = await got(link)
    assert answer.content == b"content"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.headers["Content-Disposition"].endswith("filename*=UTF-8''%C3%A4.txt")


async def got(link: str, method: str = "GET") -> httpx.Response:
    async with httpx.AsyncClient(verify=PLAIN, trust_env=False) as client:
        return await client.request(method, link)


async def test_a_link_to_s3_is_good_for_what_it_says_alone(blobs: Blobs) -> None:
    for key in "kl":
        await put(blobs, key, b"content")
    link = await blobs.link("k", "a.txt", "text/plain", now() + timedelta(hours=1))
    url = urlsplit(link)
    asked = parse_qs(url.query, strict_parsing=True)
    assert len(asked) == 8
    for name, (value,) in asked.items():
        for other in (changed(value), ""):
            query = urlencode({one: of for one, [of] in asked.items()} | {name: other})
            forged = await got(urlunsplit(url._replace(query=query)))
            assert forged.status_code in (400, 403), (name, other, forged.text)
    assert (await got(link.replace("/k?", "/l?"))).status_code == 403
    for method in ("PUT", "DELETE", "POST"):
        assert (await got(link, method)).status_code in (400, 403, 405), method
    assert (await got(link)).status_code == 200


def changed(value: str) -> str:
    return value[:-1] + ("0" if value[-1] != "0" else "1")


async def test_a_link_to_s3_ends(blobs: Blobs) -> None:
    await put(blobs, "k", b"content")
    link = await blobs.link("k", "a.txt", "text/plain", now() + timedelta(seconds=1))
    assert "X-Amz-Expires=1&" in link

    async def refused() -> bool:
        return (await got(link)).status_code == 403

    await until(refused)
    assert "expire" in (await got(link)).text.lower()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"aws_s3_bucket": "b"}, "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
        ({"local_storage_enabled": False}, "LOCAL_STORAGE_ENABLED"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(
    given: dict[str, object], named: str, tmp_path: Path
) -> None:
    settings = replace(Settings(local_storage_path=str(tmp_path)), **given)
    with pytest.raises(SettingsError, match=named):
        open_blobs(settings, now)
