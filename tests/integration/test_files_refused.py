"""What was refused: who hears of it, what it takes, and how it comes again."""

from typing import Any

import msgspec
import pytest

from infra.settings import Settings
from tests.integration.conftest import Api, Place
from tests.integration.test_files import EICAR, looked_through, sent
from tests.workers.office import Office, working
from workers import inspect_file


@pytest.fixture
def settings(settings: Settings, tmp_path: Any) -> Settings:
    return msgspec.structs.replace(settings, local_storage_path=str(tmp_path / "uploads"))


async def test_a_retry_tells_of_what_was_thrown_away(
    api: Api, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await sent(api, place, EICAR, "notes.txt")
    runtime, notify = api.runtime, inspect_file.notify
    failed = False

    async def once(*arguments: Any) -> None:
        nonlocal failed
        if not failed:
            failed = True
            for key in await runtime.blobs.keys("f-"):
                await runtime.blobs.delete(key)
            raise OSError("away")
        await notify(*arguments)

    monkeypatch.setattr(inspect_file, "notify", once)
    async with working(runtime.settings):
        [job] = await Office(runtime).ended("inspect_file")
    assert (job.state, job.attempts, failed) == ("done", 2, True), job.error
    [notice] = (await place.ann.get("/notifications"))["items"]
    assert notice["title"] == "“notes.txt” was infected"
    assert (await looked_through(place, file))["verdict"] == "infected"


async def test_what_was_refused_is_looked_through_when_it_comes_again(
    api: Api, place: Place
) -> None:
    file = await sent(api, place, EICAR, "notes.txt")
    async with working(api.runtime.settings):
        await looked_through(place, file)
        assert await sent(api, place, EICAR, "notes.txt", file=file) == file
        assert (await looked_through(place, file, 2))["verdict"] == "infected"
