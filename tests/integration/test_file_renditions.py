"""What is made of a file: by itself, and for whoever asks."""

from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.file import FILE, InspectFile, ProcessFile, Rendition, Verdict
from infra.runtime import SYSTEM, Runtime
from infra.settings import Settings
from projections.contents import used
from projections.read import reading
from tests.integration.conftest import Api, Place
from tests.integration.test_files import FILES, picture, sent
from tests.workers.office import until, working


@pytest.fixture
def settings(settings: Settings, tmp_path: Any) -> Settings:
    return msgspec.structs.replace(
        settings,
        local_storage_path=str(tmp_path / "uploads"),
        local_public_url="http://api.test/uploads",
        files_quota_project=2_000_000,
    )


async def made(place: Place, file: str) -> dict[str, Any]:
    shown = await place.ann.get(f"{FILES}/{file}/versions")
    return {one["name"]: one for one in shown["items"][0]["renditions"]}


async def converted(place: Place, file: str, **how: Any) -> Any:
    """The job, once it is over."""
    args = {"type": "convert_file", "project": place.project, "file": file, **how}
    job = await place.ann.do("POST", "/realtime/jobs", {"args": args})

    async def over() -> Any:
        row = await place.ann.get(f"/realtime/jobs/{job['id']}")
        return row if row["finished_at"] else None

    return await until(over)


async def bytes_of(runtime: Runtime, one: dict[str, Any]) -> tuple[int, str]:
    opened = await runtime.blobs.open(one["key"])
    content = b"".join([chunk async for chunk in opened.content])
    return len(content), sha256(content).hexdigest()


async def test_a_conversion_that_the_project_has_no_room_for_is_refused(
    api: Api, place: Place
) -> None:
    file = await sent(api, place, picture(2_000), "lift.jpg")
    async with working(api.runtime.settings):

        async def all_made() -> Any:
            return await made(place, file) or None

        await until(all_made)
        async with reading(api.runtime) as db:
            used_ = await used(db, UUID(place.project), UUID(place.ann.id))
        job = await converted(place, file, to="png")
    assert (job["state"], job["error"].split()[0]) == ("refused", "file.project_is_full")
    assert "full.png" not in await made(place, file)
    of_person = (await place.ann.get(f"{FILES}/{file}/metadata"))["bytes"]
    sizes = [one["bytes"] for one in (await made(place, file)).values()]
    assert (used_.person, used_.project) == (of_person, of_person + sum(sizes))


async def check_bytes(runtime: Runtime, made: dict[str, Any]) -> None:
    for one in made.values():
        assert await bytes_of(runtime, one) == (one["bytes"], one["sha256"]), one["name"]


async def test_what_is_there_by_its_name_stays_whatever_is_made_after_it(
    api: Api, place: Place
) -> None:
    runtime, file = api.runtime, await sent(api, place, picture(), "lift.jpg")
    digest = sha256(b"asked for").hexdigest()
    asked = Rendition("w640.webp", f"r-{UUID(file).hex}-1-w640-webp", "image/webp", 9, digest)
    await runtime.blobs.put(asked.key, b"asked for", content_type="image/webp", name=asked.name)
    for command in (
        InspectFile(number=1, verdict=Verdict.CLEAN),
        ProcessFile(number=1, renditions=(asked,)),
    ):
        await runtime.execute(SYSTEM, FILE, UUID(file), command)

    async def others() -> Any:
        found = await made(place, file)
        return found if len(found) > 1 else None

    async with working(runtime.settings):
        found = await until(others)
        job = await converted(place, file, to="webp", width=640)
    assert (job["state"], job["result"]) == ("done", {"rendition": asked.name, "bytes": 9})
    assert (found["w640.webp"]["key"], "thumbnail.webp" in found) == (asked.key, True)
    await check_bytes(runtime, found)
