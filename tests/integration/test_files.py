"""Files from their first byte to their last: uploaded, looked through, had, thrown away."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta
from hashlib import sha256
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from PIL import Image

from domain.hold import HOLD, HOLDS_STREAM, PlaceHold
from domain.job_args import PurgeFiles
from infra.runtime import SYSTEM, Runtime
from infra.settings import Settings
from infra.uploads import Upload, arrived, begin, coming, forget_uploads
from projections.contents import kept, used
from projections.files import get_file
from projections.read import reading, wait_for
from tests.integration.conftest import Api, Person, Place, refusal
from tests.workers.office import Office, until, working
from workers import purge_files

FILES = "/realtime/files"
TEXT = b"What the lift weighs, and why it rests on Fridays.\n"
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@pytest.fixture
def settings(settings: Settings, tmp_path: Any) -> Settings:
    return msgspec.structs.replace(
        settings,
        local_storage_path=str(tmp_path / "uploads"),
        local_public_url="http://api.test/uploads",
        max_file_size=400_000,
        files_quota_project=1_000_000,
        deleted_files_kept_s=0,
    )


def picture(width: int = 900) -> bytes:
    buffer = BytesIO()
    Image.effect_noise((width, 600), 40).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


async def send(
    api: Api, who: Person, content: bytes | AsyncIterator[bytes], **parameters: str
) -> httpx.Response:
    """As a raw body."""
    return await api.client.post(
        f"/api/v1{FILES}/upload",
        params=parameters,
        content=content,
        headers={"Authorization": f"Bearer {who.token}"},
    )


async def sent(
    api: Api, place: Place, content: bytes = TEXT, name: str = "lift.txt", **parameters: str
) -> str:
    answer = await send(api, place.ann, content, project=place.project, name=name, **parameters)
    assert answer.status_code == 201, answer.text
    place.ann.position = int(answer.headers["X-Position"])
    return answer.json()["id"]


async def looked_through(place: Place, file: str, number: int = 1) -> Any:
    async def verdict() -> Any:
        shown = await place.ann.get(f"{FILES}/{file}/versions")
        version = shown["items"][number - 1]
        return version if version["verdict"] else None

    return await until(verdict)


async def had(api: Api, url: str) -> bytes:
    answer = await api.client.get(url)
    assert answer.status_code == 200, answer.text
    return answer.content


async def test_a_file_is_had_once_it_was_looked_through(api: Api, place: Place) -> None:
    file = await sent(api, place)
    assert await place.ann.refused("GET", f"{FILES}/{file}/url") == "409 file.not_inspected"
    async with working(api.runtime.settings):
        await looked_through(place, file)
    link = await place.ann.get(f"{FILES}/{file}/url")
    assert (link["name"], link["bytes"]) == ("lift.txt", len(TEXT))
    assert await had(api, link["url"]) == TEXT
    shown = await place.ann.get(f"{FILES}/{file}/metadata")
    assert shown["sha256"] == sha256(TEXT).hexdigest()
    assert (shown["verdict"], shown["content_type"]) == ("clean", "text/plain")
    [listed] = (await place.ann.get(FILES, project=place.project, search="lift"))["items"]
    assert listed["id"] == file
    assert (await place.ann.get(FILES, search="nothing"))["items"] == []


async def test_a_form_says_whose_it_is_before_the_file(api: Api, place: Place) -> None:
    headers = {"Authorization": f"Bearer {place.ann.token}"}
    address = f"/api/v1{FILES}/upload"
    answer = await api.client.post(
        address,
        data={"project": place.project},
        files={"file": ("lift.txt", TEXT, "text/plain")},
        headers=headers,
    )
    assert answer.status_code == 201, answer.text
    for data, files, refused in (
        ({}, {"file": ("lift.txt", TEXT)}, "400 upload.no_project"),
        ({"project": "x"}, {"file": ("lift.txt", TEXT)}, "400 upload.bad_project"),
        ({"project": place.project}, {"file": (None, "x")}, "400 upload.no_file"),
    ):
        answer = await api.client.post(address, data=data, files=files, headers=headers)
        assert refusal(answer) == refused
    broken = {**headers, "Content-Type": "multipart/form-data; boundary=x"}
    answer = await api.client.post(address, content=b"--x\r\nnonsense", headers=broken)
    assert refusal(answer) == "400 upload.bad_form"


async def test_a_body_that_ends_too_early_is_no_file(api: Api, place: Place) -> None:
    start = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + TEXT * 200
    )
    answer = await api.client.post(
        f"/api/v1{FILES}/upload",
        params={"project": place.project},
        content=start,
        headers={
            "Authorization": f"Bearer {place.ann.token}",
            "Content-Type": "multipart/form-data; boundary=x",
        },
    )
    assert refusal(answer) == "400 upload.bad_form"
    assert await api.runtime.blobs.keys("f-") == []


async def test_what_is_not_what_it_says_is_refused_at_once(api: Api, place: Place) -> None:
    for name, content, code in (
        ("../../lift.txt", TEXT, "422 file.name_not_allowed"),
        ("lift.pdf", TEXT, "422 file.type_differs"),
        ("lift.txt.exe", TEXT, "422 file.name_not_allowed"),
        ("lift.txt", b"\x7fELF" + bytes(200), "422 file.executable"),
        ("lift.txt", b"", "422 file.empty"),
    ):
        answer = await send(api, place.ann, content, project=place.project, name=name)
        assert refusal(answer) == code, name
    assert await api.runtime.blobs.keys("f-") == []


async def test_more_than_a_file_may_have_is_refused_as_it_comes(api: Api, place: Place) -> None:
    most = api.runtime.settings.max_file_size

    async def endless() -> AsyncGenerator[bytes]:
        for _ in range(most // len(TEXT) + 2):
            yield TEXT

    for content in (TEXT * (most // len(TEXT) + 2_000), endless()):
        answer = await send(api, place.ann, content, project=place.project, name="lift.txt")
        assert refusal(answer) == "413 file.too_large"
    assert await api.runtime.blobs.keys("f-") == []


async def test_only_who_works_in_the_project_uploads_and_only_members_have_it(
    api: Api, place: Place
) -> None:
    eve, auditor = await api.as_("member"), await api.as_("auditor")
    file = await sent(api, place)
    for who, code in ((eve, "404 project.not_found"), (auditor, "403 access.denied")):
        answer = await send(api, who, TEXT, project=place.project, name="lift.txt")
        assert refusal(answer) == code
    assert await eve.refused("GET", f"{FILES}/{file}/metadata") == "404 file.not_found"
    assert await place.ann.refused("DELETE", f"{FILES}/{file}") == "403 access.denied"
    assert (await eve.get(FILES))["items"] == []
    auditor.position = place.ann.position
    assert len((await auditor.get(FILES))["items"]) == 1


async def test_the_same_upload_again_is_answered_as_before(api: Api, place: Place) -> None:
    async def again() -> httpx.Response:
        return await api.client.post(
            f"/api/v1{FILES}/upload",
            params={"project": place.project, "name": "lift.txt"},
            content=TEXT,
            headers={"Authorization": f"Bearer {place.ann.token}", "Idempotency-Key": "one"},
        )

    first, second = await again(), await again()
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(await api.runtime.blobs.keys("f-")) == 1


async def test_the_same_bytes_are_kept_once_in_a_project(api: Api, place: Place) -> None:
    one = await sent(api, place)
    async with working(api.runtime.settings):
        await looked_through(place, one)
        other = await sent(api, place, name="copy.txt")
        await looked_through(place, other)
    assert len(await api.runtime.blobs.keys("f-")) == 1
    link = await place.ann.get(f"{FILES}/{other}/url")
    assert await had(api, link["url"]) == TEXT


async def test_versions_are_kept_and_had_by_number(api: Api, place: Place) -> None:
    file = await sent(api, place)
    again = await sent(api, place, TEXT * 2, file=file)
    assert again == file
    async with working(api.runtime.settings):
        await looked_through(place, file)
        await looked_through(place, file, 2)
    for number, content in ((None, TEXT * 2), (1, TEXT), (2, TEXT * 2)):
        wanted = {} if number is None else {"version": number}
        link = await place.ann.get(f"{FILES}/{file}/url", **wanted)
        assert await had(api, link["url"]) == content
    assert await place.ann.refused("GET", f"{FILES}/{file}/url?version=3") == (
        "404 file.no_such_version"
    )


async def test_of_a_picture_pages_show_smaller_ones(api: Api, place: Place) -> None:
    file = await sent(api, place, picture(), "lift.jpg")

    async def made() -> Any:
        return (await place.ann.get(f"{FILES}/{file}/versions"))["items"][0]["renditions"]

    async with working(api.runtime.settings):
        found = {one["name"]: one for one in await until(made)}
    assert {"w640.webp", "thumbnail.webp", "original.jpg"} <= found.keys()
    link = await place.ann.get(f"{FILES}/{file}/url", rendition="w640.webp")
    with Image.open(BytesIO(await had(api, link["url"]))) as image:
        assert (image.format, image.width) == ("WEBP", 640)
    nothing = f"{FILES}/{file}/url?rendition=w9.webp"
    assert await place.ann.refused("GET", nothing) == "404 file.no_such_rendition"


async def test_a_picture_is_converted_for_whoever_asks(api: Api, place: Place) -> None:
    file = await sent(api, place, picture(), "lift.jpg")
    eve = await api.as_("member")
    args = {"type": "convert_file", "project": place.project, "file": file, "to": "png"}
    asked = "/realtime/jobs"
    assert await eve.refused("POST", asked, {"args": args}) == "404 project.not_found"
    async with working(api.runtime.settings):
        await looked_through(place, file)
        job = await place.ann.do("POST", asked, {"args": {**args, "width": 300}})

        async def ended() -> Any:
            return (await place.ann.get(f"{asked}/{job['id']}"))["result"]

        result = await until(ended)
    link = await place.ann.get(f"{FILES}/{file}/url", rendition=result["rendition"])
    with Image.open(BytesIO(await had(api, link["url"]))) as image:
        assert (image.format, image.width) == ("PNG", 300)


async def test_what_is_made_twice_under_one_name_is_the_first_in_event_and_bytes(
    api: Api, place: Place
) -> None:
    """As a conversion and what every picture gets make the same size, in another quality."""
    file = await sent(api, place, picture(1_500), "lift.jpg")
    args = {"type": "convert_file", "project": place.project, "file": file, "to": "webp"}
    async with working(api.runtime.settings):
        await looked_through(place, file)
        await Office(api.runtime).ended("process_file")
        before = await place.ann.get(f"{FILES}/{file}/url", rendition="w640.webp")
        await place.ann.do("POST", "/realtime/jobs", {"args": {**args, "width": 640}})
        await Office(api.runtime).ended("convert_file")
    assert len(await had(api, before["url"])) == before["bytes"]
    async with reading(api.runtime) as db:
        made = [one for one in await kept(db) if one.rendition]
    for one in made:
        opened = await api.runtime.blobs.open(one.key)
        content = b"".join([bytes(piece) async for piece in opened.content])
        assert sha256(content).hexdigest() == one.sha256, one.rendition


async def test_what_was_thrown_away_takes_no_room(api: Api, place: Place) -> None:
    file = await sent(api, place, EICAR, "notes.txt")
    async with working(api.runtime.settings):
        await looked_through(place, file)
    async with reading(api.runtime) as db:
        taken = await used(db, UUID(place.project), UUID(place.ann.id))
    assert (taken.project, taken.person) == (0, 0)


async def test_what_is_known_of_a_file_is_cached_as_long_as_it_is_true(
    api: Api, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await sent(api, place)
    read = 0

    async def counted(*arguments: Any) -> Any:
        nonlocal read
        read += 1
        return await get_file(*arguments)

    monkeypatch.setattr("api.project_files.get_file", counted)
    path = f"{FILES}/{file}/metadata"
    first, second = await place.ann.get(path), await place.ann.get(path)
    assert (first, read) == (second, 1)
    tag = (await place.ann("GET", path)).headers["ETag"]
    assert (await place.ann("GET", path, If_None_Match=tag)).status_code == 304
    async with working(api.runtime.settings):
        await looked_through(place, file)
    assert (await place.ann.get(path))["verdict"] == "clean"
    assert read == 2


async def test_what_is_infected_nobody_has_and_both_hear_of_it(api: Api, place: Place) -> None:
    file = await sent(api, place, EICAR, "notes.txt")
    async with working(api.runtime.settings):
        version = await looked_through(place, file)
        await Office(api.runtime).ended("inspect_file")

        async def told() -> Any:
            return (await place.ann.get("/notifications"))["items"]

        [notice] = await until(told)
    assert (version["verdict"], bool(version["reason"])) == ("infected", True)
    assert await place.ann.refused("GET", f"{FILES}/{file}/url") == "409 file.infected"
    assert notice["title"] == "“notes.txt” was infected"
    assert await api.runtime.blobs.keys("f-") == []


async def test_quotas_count_what_is_kept_and_what_is_coming(api: Api, place: Place) -> None:
    content = TEXT * (300_000 // len(TEXT))
    names = [f"{n}.txt" for n in range(6)]
    answers = await asyncio.gather(
        *(send(api, place.ann, content, project=place.project, name=name) for name in names)
    )
    assert sorted(one.status_code for one in answers) == [201] * 3 + [422] * 3
    refused = {refusal(one) for one in answers if one.status_code != 201}
    assert refused == {"422 file.project_is_full"}
    assert len(await api.runtime.blobs.keys("f-")) == 3


async def test_an_upload_counts_until_its_event_is_seen(runtime: Runtime) -> None:
    project, person = uuid4(), uuid4()
    one = Upload(uuid4(), project, person, 100)
    async with runtime.db.connection() as db:
        await begin(db, one, 60.0)
        assert await coming(db, one, 0) == (100, 100)
        await arrived(db, one.id, 40, 7)
        assert await coming(db, one, 6) == (40, 40)
        assert await coming(db, one, 7) == (0, 0)
        lapsed = msgspec.structs.replace(one, id=uuid4(), person=uuid4())
        await begin(db, lapsed, -1.0)
        assert await coming(db, one, 6) == (40, 40)
        assert await forget_uploads(db, 9) == 1


async def test_an_admin_deletes_and_restores(api: Api, place: Place) -> None:
    admin, file = await api.as_("admin"), await sent(api, place)
    async with working(api.runtime.settings):
        await looked_through(place, file)
    link = await place.ann.get(f"{FILES}/{file}/url")
    await admin.do("DELETE", f"{FILES}/{file}?reason=old")
    place.ann.position = admin.position
    for path in ("url", "metadata", "versions"):
        assert await place.ann.refused("GET", f"{FILES}/{file}/{path}") == "404 file.not_found"
    assert (await place.ann.get(FILES))["items"] == []
    assert len((await admin.get(f"{FILES}/{file}/versions"))["items"]) == 1
    [listed] = (await admin.get(FILES, deleted=True))["items"]
    assert (listed["id"], listed["deleted_at"] is None) == (file, False)
    assert await place.ann.refused("GET", f"{FILES}?deleted=true") == "403 access.denied"
    assert refusal(await api.client.get(link["url"])) == "404 file.not_found"
    await admin.do("POST", f"{FILES}/{file}/restore")
    await place.ann.get(f"{FILES}/{file}/url")
    assert await had(api, link["url"]) == TEXT
    assert (await admin.get(FILES, deleted=True))["items"] == []


async def test_what_was_deleted_long_ago_goes_unless_it_is_held(
    api: Api, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge_files, "YOUNG", timedelta(0))
    runtime, admin = api.runtime, await api.as_("admin")
    names = ("kept.txt", "held.txt", "gone.txt")
    _, held, gone = [await sent(api, place, TEXT + name.encode(), name) for name in names]
    for file in (held, gone):
        await admin.do("DELETE", f"{FILES}/{file}")
    hold = PlaceHold(subject=UUID(held), kind="record", reason="a suit", at=runtime.now())
    await runtime.execute(SYSTEM, HOLD, HOLDS_STREAM, hold)
    await runtime.blobs.put("f-orphan", TEXT, content_type="text/plain", name="x.txt")
    await wait_for(runtime, "queries", await runtime.store.head())
    async with working(runtime.settings):
        found = await Office(runtime).done(PurgeFiles(), purge_files.Purged)
    assert (found.files, found.blobs) == (1, 2)
    assert len(await runtime.blobs.keys("f-")) == 2
    await admin.do("POST", f"{FILES}/{held}/restore")
    assert await admin.refused("POST", f"{FILES}/{gone}/restore") == "409 file.purged"
    assert (await admin.get(FILES, deleted=True))["items"] == [], "nor is it offered"
