"""Bytes that a client brings to S3 itself: nothing is believed before it was read."""

import asyncio
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from msgspec.structs import replace

from bench.seaweed import KEY_ID, SECRET, Seaweed
from domain.file import FILE
from infra import uploads
from infra.blobs.tape import PART
from infra.runtime import Runtime
from infra.settings import Settings
from infra.uploads import Upload
from tests.blobs.conftest import Bucket, bucket, shared
from tests.http import PLAIN
from tests.integration.conftest import Api, Place

DIRECT = "/realtime/files/direct"
CONTENT = b"What the lift weighs.\n" * 800_000  # 17.6 MB: three parts


__all__ = ["bucket", "shared"]  # fixtures


@pytest.fixture
def settings(settings: Settings, shared: Seaweed, bucket: Bucket) -> Settings:
    return replace(
        settings,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        aws_s3_bucket=bucket.name,
        aws_endpoint_url=shared.url,
        max_file_size=50_000_000,
        files_quota_project=60_000_000,
    )


async def begun(place: Place, size: int = len(CONTENT), name: str = "a.txt", **more: str) -> Any:
    wanted = {"project": place.project, "name": name, "bytes": size, **more}
    return await place.ann.do("POST", DIRECT, wanted)


async def brought(begun: Any, content: bytes = CONTENT) -> dict[str, list[str]]:
    """As a client does it: what S3 answered to each part."""
    size = begun["part_bytes"]
    async with httpx.AsyncClient(verify=PLAIN, trust_env=False) as client:
        answers = [
            await client.put(url, content=content[at * size : (at + 1) * size])
            for at, url in enumerate(begun["urls"])
        ]
    assert all(answer.is_success for answer in answers)
    return {"etags": [answer.headers["ETag"] for answer in answers]}


def completing(begun: Any) -> str:
    return f"{DIRECT}/{begun['upload']}/complete"


async def coming(runtime: Runtime, place: Place) -> int:
    """Bytes that count as on their way."""
    upload = Upload(uuid4(), UUID(place.project), UUID(place.ann.id), 0)
    async with runtime.db.connection() as db:
        return (await uploads.coming(db, upload, 1 << 60))[0]


async def test_what_a_client_brought_is_a_file_once_it_was_read(
    api: Api, place: Place, bucket: Bucket
) -> None:
    one = await begun(place)
    assert one["part_bytes"] == PART
    assert len(one["urls"]) == 3
    assert all("content-length" in url for url in one["urls"])  # is signed
    assert await coming(api.runtime, place) == len(CONTENT)
    done = await place.ann.do("POST", completing(one), await brought(one))
    assert done["id"] == one["file"]
    [version] = (await api.runtime.load(FILE, UUID(done["id"]))).state.versions
    assert (version.name, version.content_type) == ("a.txt", "text/plain")
    assert (version.bytes, version.sha256) == (len(CONTENT), sha256(CONTENT).hexdigest())
    assert version.verdict is None
    assert bucket.keys == [version.key]
    assert bucket.content(version.key) == CONTENT
    assert bucket.head(version.key)["ContentType"] == "text/plain; charset=utf-8"
    assert bucket.unfinished == []
    assert await coming(api.runtime, place) == 0


async def test_completed_again_it_answers_the_same(api: Api, place: Place) -> None:
    one = await begun(place)
    etags = await brought(one)
    first = await place.ann.do("POST", completing(one), etags)
    assert await place.ann.do("POST", completing(one), etags) == first
    assert (await api.runtime.load(FILE, UUID(one["file"]))).version == 1


async def test_completed_twice_at_once_it_is_one_version(api: Api, place: Place) -> None:
    one = await begun(place)
    etags = await brought(one)
    answers = await asyncio.gather(*(place.ann("POST", completing(one), etags) for _ in range(3)))
    statuses = {answer.status_code for answer in answers}
    assert 201 in statuses
    assert statuses <= {201, 423}, [answer.text for answer in answers]
    assert len((await api.runtime.load(FILE, UUID(one["file"]))).state.versions) == 1


async def test_a_next_version_and_the_same_again(api: Api, place: Place, bucket: Bucket) -> None:
    one = await begun(place, 3)
    first = await place.ann.do("POST", completing(one), await brought(one, b"one"))
    two = await begun(place, 3, file=first["id"])
    second = await place.ann.do("POST", completing(two), await brought(two, b"two"))
    assert (second["id"], second["version"]) == (first["id"], 2)
    three = await begun(place, 3, file=first["id"])
    for _ in range(2):
        third = await place.ann.do("POST", completing(three), await put_first(three, b"two"))
        assert (third["version"], third["position"]) == (2, None)
    assert len(bucket.keys) == 2


async def put_first(begun: Any, content: bytes) -> dict[str, list[str]]:
    """All of it as the first part, which may have been joined before."""
    async with httpx.AsyncClient(verify=PLAIN, trust_env=False) as client:
        answer = await client.put(begun["urls"][0], content=content)
    return {"etags": [answer.headers.get("ETag", "gone")]}


async def test_what_is_not_what_it_says_is_refused_and_gone(
    api: Api, place: Place, bucket: Bucket
) -> None:
    for content, name, why in (
        (b"MZ" + bytes(2_000), "a.txt", "422 file.executable"),
        (b"plain text", "a.pdf", "422 file.type_differs"),
    ):
        one = await begun(place, len(content), name)
        etags = await brought(one, content)
        assert await place.ann.refused("POST", completing(one), etags) == why
        gone = await place.ann.refused("POST", completing(one), etags)
        assert gone == "404 upload.not_found"
    assert bucket.keys == []
    assert await coming(api.runtime, place) == 0


async def test_another_length_than_there_was_room_for_is_refused(
    api: Api, place: Place, bucket: Bucket
) -> None:
    """By S3, for the length is signed; and by us, should S3 take it."""
    for content in (b"longer", b"l"):
        one = await begun(place, 3)
        assert await put_first(one, content) == {"etags": ["gone"]}
        etags = {"etags": [part_of(bucket, one["key"], content)]}
        why = await place.ann.refused("POST", completing(one), etags)
        assert why == "422 upload.wrong_length"
    assert bucket.keys == []
    assert await coming(api.runtime, place) == 0


def part_of(bucket: Bucket, key: str, content: bytes) -> str:
    """As only who has the credentials can bring it."""
    found = bucket.client.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
    [upload] = [one["UploadId"] for one in found if one["Key"] == key]
    answer = bucket.client.upload_part(
        Bucket=bucket.name, Key=key, UploadId=upload, PartNumber=1, Body=content
    )
    return answer["ETag"]


async def test_a_part_s_address_is_good_for_that_part_alone(place: Place, bucket: Bucket) -> None:
    one = await begun(place)
    first = one["urls"][0]
    async with httpx.AsyncClient(verify=PLAIN, trust_env=False) as client:
        for forged in (
            first.replace("partNumber=1", "partNumber=2"),
            first.replace(one["key"], one["key"] + "0"),
            first[:-1] + ("0" if first[-1] != "0" else "1"),
            first.replace("X-Amz-Expires=4", "X-Amz-Expires=5"),
        ):
            assert forged != first
            assert (await client.put(forged, content=CONTENT[:PART])).status_code == 403, forged
        for method in ("GET", "DELETE", "POST"):
            assert (await client.request(method, first)).status_code in (400, 403, 405), method
    assert bucket.keys == []


async def test_parts_that_did_not_come_are_told(place: Place) -> None:
    one = await begun(place)
    etags = (await brought(one))["etags"]
    for wrong in ([], etags[:2], [*etags[:2], '"00000000000000000000000000000000"']):
        refused = await place.ann.refused("POST", completing(one), {"etags": wrong})
        assert refused == "422 upload.wrong_parts", wrong
    assert (await place.ann.do("POST", completing(one), {"etags": etags}))["version"] == 1


async def test_one_that_is_called_off_leaves_nothing(
    api: Api, place: Place, bucket: Bucket
) -> None:
    one = await begun(place)
    etags = await brought(one)
    assert len(bucket.unfinished) == 1
    path = f"{DIRECT}/{one['upload']}"
    assert (await place.ann("DELETE", path)).status_code == 204
    assert (bucket.unfinished, bucket.keys) == ([], [])
    assert await coming(api.runtime, place) == 0
    assert await place.ann.refused("POST", completing(one), etags) == "404 upload.not_found"
    assert await place.ann.refused("DELETE", path) == "404 upload.not_found"


async def test_what_is_a_file_by_now_is_not_called_off(place: Place, bucket: Bucket) -> None:
    one = await begun(place, 3)
    await place.ann.do("POST", completing(one), await brought(one, b"one"))
    refused = await place.ann.refused("DELETE", f"{DIRECT}/{one['upload']}")
    assert refused == "409 upload.is_a_file"
    assert len(bucket.keys) == 1


async def test_limits_count_before_anything_is_brought(place: Place, bucket: Bucket) -> None:
    wanted = {"project": place.project, "name": "a.txt", "bytes": 50_000_001}
    assert await place.ann.refused("POST", DIRECT, wanted) == "413 file.too_large"
    await begun(place, 50_000_000)
    wanted["bytes"] = 10_000_001  # together with what is on its way
    assert await place.ann.refused("POST", DIRECT, wanted) == "422 file.project_is_full"
    for bad in ({"bytes": 0}, {"name": "../a.txt", "bytes": 1}, {"file": str(uuid4()), "bytes": 1}):
        status = (await place.ann("POST", DIRECT, {**wanted, **bad})).status_code
        assert status in (404, 422), bad
    assert len(bucket.unfinished) == 1


async def test_another_s_upload_is_none(api: Api, place: Place) -> None:
    one, stranger = await begun(place, 3), await api.as_("member")
    etags = await brought(one, b"one")
    wanted = {"project": place.project, "name": "a.txt", "bytes": 3}
    assert await stranger.refused("POST", DIRECT, wanted) == "404 project.not_found"
    for who in (stranger, place.boss):
        assert await who.refused("POST", completing(one), etags) == "404 upload.not_found"
        refused = await who.refused("DELETE", f"{DIRECT}/{one['upload']}")
        assert refused == "404 upload.not_found"


async def test_who_lost_the_right_meanwhile_completes_nothing(api: Api, place: Place) -> None:
    one = await begun(place, 3)
    etags = await brought(one, b"one")
    await place.boss.do("DELETE", f"/projects/{place.project}/members/{place.ann.id}")
    assert await place.ann.refused("POST", completing(one), etags) == "404 project.not_found"
    assert (await api.runtime.load(FILE, UUID(one["file"]))).version == 0


class TestWithoutS3:
    @pytest.fixture(params=["none", "away"])
    def settings(self, request: pytest.FixtureRequest, settings: Settings) -> Settings:
        if request.param == "away":
            return replace(settings, aws_endpoint_url="http://127.0.0.1:9")
        none = {"aws_access_key_id": "", "aws_secret_access_key": "", "aws_s3_bucket": ""}
        return replace(settings, **none)

    async def test_a_client_is_told_the_other_way(self, api: Api, place: Place) -> None:
        wanted = {"project": place.project, "name": "a.txt", "bytes": 3}
        answer = await place.ann("POST", DIRECT, wanted)
        assert (answer.status_code, answer.json()["code"]) == (409, "file.no_direct_upload")
        assert answer.json()["instead"] == "/api/v1/realtime/files/tus"
        assert await coming(api.runtime, place) == 0
