"""Resumable uploads by the protocol (tus 1.0), over the application."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha1, sha256
from typing import Any
from uuid import UUID

import pytest

from domain.file import FILE, DeleteFile
from domain.job_args import PurgeFiles
from infra.resumable import upload_of
from infra.runtime import SYSTEM
from tests.integration.conftest import Api, Person, Place, refusal
from tests.integration.tus import Tus, said
from tests.workers.office import Office, working
from workers import purge_files

TEXT = b"what is written here goes on and on, line by line\n" * 100


@pytest.fixture
def ann(api: Api, place: Place) -> Tus:
    return Tus(api.client, place.ann.token)


def checksum(content: bytes) -> str:
    return f"sha256 {b64encode(sha256(content).digest()).decode()}"


async def parts(api: Api) -> list[str]:
    return await api.runtime.blobs.keys("t-")


async def versions(api: Api, file: str) -> list[bytes]:
    """What each version of the file has."""
    state = (await api.runtime.load(FILE, UUID(file))).state
    return [await content(api, one.key) for one in state.versions]


async def content(api: Api, key: str) -> bytes:
    opened = await api.runtime.blobs.open(key)
    return b"".join([piece async for piece in opened.content])


async def test_what_there_is_of_tus_anybody_may_ask(api: Api) -> None:
    answer = await api.client.options("/api/v1/realtime/files/tus")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == answer.headers["Tus-Resumable"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,checksum,expiration,termination"
    assert answer.headers["Tus-Max-Size"] == str(api.runtime.settings.max_file_size)
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"


async def test_parts_become_a_file(api: Api, place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, len(TEXT))
    begun = await ann("HEAD", path)
    assert begun.headers["Upload-Offset"] == "0"
    assert begun.headers["Upload-Length"] == str(len(TEXT))
    assert begun.headers["Upload-Metadata"] == said(filename="a.txt", project=place.project)
    assert begun.headers["Cache-Control"] == "no-store"
    first = await ann.add(path, 0, TEXT[:1_000])
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, "1000")
    assert first.headers["Upload-Expires"] == begun.headers["Upload-Expires"]
    assert first.headers["Tus-Resumable"] == "1.0.0"
    assert await ann.offset(path) == 1_000
    assert len(await parts(api)) == 1
    last = await ann.add(path, 1_000, TEXT[1_000:])
    assert (last.status_code, last.headers["Upload-Offset"]) == (204, str(len(TEXT)))
    assert await versions(api, last.headers["X-File-Id"]) == [TEXT]
    assert await parts(api) == []
    place.ann.position = int(last.headers["X-Position"])
    found = await place.ann.get("/realtime/files", project=place.project)
    assert [one["id"] for one in found["items"]] == [last.headers["X-File-Id"]]


async def test_the_end_said_again_is_no_other_version(api: Api, place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, len(TEXT))
    file = (await ann.add(path, 0, TEXT)).headers["X-File-Id"]
    again = await ann.add(path, len(TEXT), b"")
    assert (again.status_code, again.headers["Upload-Offset"]) == (204, str(len(TEXT)))
    assert await ann.offset(path) == len(TEXT)
    assert await versions(api, file) == [TEXT]


async def test_what_a_crash_left_to_be_done_is_done_by_who_looks(
    api: Api, place: Place, ann: Tus
) -> None:
    path = await ann.begin(place.project, len(TEXT))
    file = (await ann.add(path, 0, TEXT[:9])).headers["X-File-Id"]
    await alter(api, "length = 9")  # all is there, and nothing was made of it yet
    assert await ann.offset(path) == 9
    assert await versions(api, file) == [TEXT[:9]]
    assert await parts(api) == []


async def test_a_crash_before_it_was_noted_makes_no_other_version(
    api: Api, place: Place, ann: Tus
) -> None:
    first = await ann.begin(place.project, 3)
    file = (await ann.add(first, 0, b"one")).headers["X-File-Id"]
    await alter(api, "position = NULL, ending = NULL")
    await ann.add(await ann.begin(place.project, 3, file=file), 0, b"two")
    assert await ann.offset(first) == 3
    assert await versions(api, file) == [b"one", b"two"]


async def alter(api: Api, change: str) -> None:
    async with api.runtime.db.connection() as db:
        await db.execute(f"UPDATE formula_uploads SET {change}".encode())  # noqa: S608, our own


async def test_while_one_puts_it_together_another_waits(api: Api, place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, len(TEXT))
    await ann.add(path, 0, TEXT[:9])
    await alter(api, "length = 9, ending = clock_timestamp() + interval '1 hour'")
    assert refusal(await ann.add(path, 9, b"")) == "423 upload.ending"
    assert refusal(await ann("DELETE", path)) == "423 upload.ending"
    await alter(api, "ending = clock_timestamp() - interval '1 second'")
    assert await ann.offset(path) == 9


async def test_of_two_for_one_offset_one_is_kept(api: Api, place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, 10)
    both = await asyncio.gather(ann.add(path, 0, b"aaaa"), ann.add(path, 0, b"bbbb"))
    assert sorted(one.status_code for one in both) == [204, 409]
    (refused,) = (one for one in both if one.status_code == 409)
    assert refusal(refused) == "409 upload.wrong_offset"
    assert len(await parts(api)) == 1
    won = b"a" if both[0].status_code == 204 else b"b"
    file = (await ann.add(path, 4, b"cccccc")).headers["X-File-Id"]
    assert await versions(api, file) == [won * 4 + b"cccccc"]


async def test_a_part_may_be_checked(api: Api, place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, 8)
    wrong = await ann.add(path, 0, b"good", upload_checksum=checksum(b"bad!"))
    assert refusal(wrong) == "460 upload.wrong_checksum"
    assert wrong.json()["title"] == "Checksum Mismatch"
    assert await ann.offset(path) == 0
    assert await parts(api) == []
    assert (await ann.add(path, 0, b"good", upload_checksum=checksum(b"good"))).status_code == 204
    old = f"sha1 {b64encode(sha1(b'bad!').digest()).decode()}"  # noqa: S324, tus asks for it
    assert refusal(await ann.add(path, 4, b"good", upload_checksum=old)).startswith("460")
    for bad in ("md5 AAAA", "sha256 AAA", "sha256"):
        assert refusal(await ann.add(path, 4, b"g", upload_checksum=bad)).startswith("4")
    assert await ann.offset(path) == 4


async def test_of_a_broken_connection_stays_what_came_unless_it_was_to_be_checked(
    api: Api, place: Place, ann: Tus
) -> None:
    path = await ann.begin(place.project, 8)
    await cut_off(api, ann, path, b"1234", upload_checksum=checksum(b"12345678"))
    assert (await ann.offset(path), await parts(api)) == (0, [])
    await cut_off(api, ann, path, b"")
    assert (await ann.offset(path), await parts(api)) == (0, [])
    await cut_off(api, ann, path, b"12345")
    assert await ann.offset(path) == 5
    file = (await ann.add(path, 5, b"678")).headers["X-File-Id"]
    assert await versions(api, file) == [b"12345678"]


async def cut_off(api: Api, ann: Tus, path: str, came: bytes, **headers: str) -> None:
    """A PATCH from the begin whose client goes in the middle."""

    async def broken() -> AsyncIterator[bytes]:
        yield came
        raise ConnectionResetError

    coming = broken()

    async def receive() -> Any:
        try:
            return {"type": "http.request", "body": await anext(coming), "more_body": True}
        except ConnectionResetError:
            return {"type": "http.disconnect"}

    async def send(_message: Any) -> None:
        """Nobody hears it."""

    await api.app(ann.scope(path, **headers), receive, send)


async def test_more_than_was_said_is_refused(api: Api, place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, 4)
    assert refusal(await ann.add(path, 0, b"12345")) == "413 upload.too_long"
    assert (await ann.offset(path), await parts(api)) == (0, [])


async def test_a_refused_content_ends_the_upload(api: Api, place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, 8, "a.txt")
    await ann.add(path, 0, b"\x7fELF")
    refused = await ann.add(path, 4, b"\x02\x01\x01\x00")
    assert refused.status_code == 422, refused.text
    assert refused.headers["Tus-Resumable"] == "1.0.0"
    assert refusal(await ann.add(path, 8, b"")) == "404 upload.not_found"
    assert (await parts(api), await api.runtime.blobs.keys("f-")) == ([], [])


async def test_it_may_be_a_version_of_a_file(api: Api, place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, 3)
    file = (await ann.add(path, 0, b"one")).headers["X-File-Id"]
    path = await ann.begin(place.project, 3, file=file)
    assert (await ann.add(path, 0, b"two")).headers["X-File-Id"] == file
    path = await ann.begin(place.project, 3, file=file)
    same = await ann.add(path, 0, b"two")
    assert same.status_code == 204
    assert await ann.offset(path) == 3
    assert await versions(api, file) == [b"one", b"two"]
    assert len(await api.runtime.blobs.keys("f-")) == 2
    path = await ann.begin(place.project, 5, file=file)
    await api.runtime.execute(SYSTEM, FILE, UUID(file), DeleteFile())
    assert refusal(await ann.add(path, 0, b"three")) == "409 file.deleted"
    assert refusal(await ann("PATCH", path)).startswith("4")


async def test_nothing_is_no_file(place: Place, ann: Tus) -> None:
    metadata = said(filename="a.txt", project=place.project)
    answer = await ann("POST", upload_length="0", upload_metadata=metadata)
    assert answer.status_code == 422


async def test_an_upload_may_be_given_up(api: Api, place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, 8)
    await ann.add(path, 0, b"1234")
    assert (await ann("DELETE", path)).status_code == 204
    assert refusal(await ann.add(path, 4, b"5678")) == "404 upload.not_found"
    assert await parts(api) == []
    path = await ann.begin(place.project, 4)
    await ann.add(path, 0, b"1234")
    assert refusal(await ann("DELETE", path)) == "409 upload.is_a_file"


async def test_who_cannot_patch_posts(place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, 8)
    one = await ann.add(path, 0, b"1234", "POST", x_http_method_override="PATCH")
    assert (one.status_code, one.headers["Upload-Offset"]) == (204, "4")
    assert (await ann("POST", path, x_http_method_override="PUT")).status_code == 405
    assert (await ann("POST", path, x_http_method_override="DELETE")).status_code == 204
    assert (await ann("HEAD", path)).status_code == 404


async def test_nobody_else_goes_on_with_it(api: Api, place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, 8)
    boss = Tus(api.client, place.boss.token)
    assert refusal(await boss.add(path, 0, b"1234")) == "404 upload.not_found"
    assert (await boss("HEAD", path)).status_code == 404
    assert refusal(await boss("DELETE", path)) == "404 upload.not_found"
    nobody = await ann("PATCH", path, authorization="")
    assert nobody.status_code == 401


async def test_who_lost_the_right_does_not_finish(api: Api, place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, 8)
    await ann.add(path, 0, b"1234")
    await place.boss.do("DELETE", f"/projects/{place.project}/members/{place.ann.id}")
    assert refusal(await ann.add(path, 4, b"5678")) == "404 project.not_found"
    assert await api.runtime.blobs.keys("f-") == []


async def test_an_expired_one_is_not_there(api: Api, place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, 8)
    await alter(api, "expires_at = clock_timestamp() - interval '1 second'")
    assert refusal(await ann.add(path, 0, b"1234")) == "404 upload.not_found"


async def test_the_parts_of_uploads_that_are_gone_are_thrown_away(
    api: Api, place: Place, ann: Tus, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = await ann.begin(place.project, 8)
    await ann.add(gone, 0, b"1234")
    await alter(api, "expires_at = clock_timestamp() - interval '1 second'")
    goes_on = await ann.begin(place.project, 8)
    await ann.add(goes_on, 0, b"1234")
    async with working(api.runtime.settings):
        young = await Office(api.runtime).done(PurgeFiles(), purge_files.Purged)
        assert (young.uploads, young.blobs) == (1, 0)
        monkeypatch.setattr(purge_files, "YOUNG", timedelta(0))
        old = await Office(api.runtime).done(PurgeFiles(), purge_files.Purged)
        assert (old.uploads, old.blobs) == (0, 1)
    (left,) = await parts(api)
    assert str(upload_of(left)) in goes_on
    assert (await ann.add(goes_on, 4, b"5678")).status_code == 204


async def test_its_length_is_room_that_is_taken(api: Api, place: Place, ann: Tus) -> None:
    async with api.runtime.db.connection() as db:
        path = await ann.begin(place.project, 8)
        coming = await (await db.execute("SELECT sum(length) FROM formula_uploads")).fetchone()
    assert coming == (8,)
    await ann("DELETE", path)
    too_much = str(api.runtime.settings.max_file_size + 1)
    metadata = said(filename="a.txt", project=place.project)
    answer = await ann("POST", upload_length=too_much, upload_metadata=metadata)
    assert refusal(answer) == "413 file.too_large"


async def outsider(api: Api) -> Person:
    return await api.as_("member")


async def test_who_may_not_write_may_not_begin(api: Api, place: Place) -> None:
    stranger = Tus(api.client, (await outsider(api)).token)
    metadata = said(filename="a.txt", project=place.project)
    answer = await stranger("POST", upload_length="4", upload_metadata=metadata)
    assert refusal(answer) == "404 project.not_found"


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({"tus_resumable": ""}, "412 upload.unknown_protocol"),
        ({"tus_resumable": "0.2.2"}, "412 upload.unknown_protocol"),
        ({"upload_length": ""}, "400 upload.bad_number"),
        ({"upload_length": "-4"}, "400 upload.bad_number"),
        ({"upload_length": "", "upload_defer_length": "1"}, "400 upload.bad_number"),
        ({"upload_metadata": ""}, "422 "),
        ({"upload_metadata": "filename !"}, "400 upload.bad_metadata"),
        ({"upload_metadata": "filename YQ==,filename YQ=="}, "400 upload.bad_metadata"),
        ({"upload_metadata": "filename /w=="}, "400 upload.bad_metadata"),
        ({"upload_metadata": said(filename="a.txt")}, "400 upload.bad_metadata"),
        ({"upload_metadata": said(filename="a.txt", project="p")}, "400 upload.bad_metadata"),
        ({"upload_metadata": said(filename="../a", project=str(UUID(int=1)))}, "422 "),
        ({"upload_metadata": "a " + "A" * 4_000}, "400 upload.bad_metadata"),
    ],
)
async def test_what_makes_no_sense_begins_nothing(
    place: Place, ann: Tus, headers: dict[str, str], answer: str
) -> None:
    whole = {
        "upload_length": "4",
        "upload_metadata": said(filename="a.txt", project=place.project),
    }
    got = await ann("POST", "", None, **whole | headers)
    assert refusal(got).startswith(answer)
    assert got.headers["Tus-Version"] == "1.0.0"


async def test_a_part_says_where_it_goes_and_what_it_is(place: Place, ann: Tus) -> None:
    path = await ann.begin(place.project, 8)
    assert refusal(await ann.add(path, 2, b"12")) == "409 upload.wrong_offset"
    plain = await ann.add(path, 0, b"12", content_type="text/plain")
    assert refusal(plain) == "415 body.unsupported_type"
    assert refusal(await ann.add(path, 0, b"12", upload_offset="")) == "400 upload.bad_number"
    assert await ann.offset(path) == 0
