"""Pages of other origins: those that are allowed may call everything, all others nothing."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from api.cors import SHOWN, TAKEN
from infra.links import Links
from infra.settings import Settings
from tests.integration.conftest import Api, Person, Place
from tests.integration.tus import Tus

PAGE = "https://app.example.org"
LOCAL = "http://localhost:3000"
OTHERS = (
    "https://evil.example.org",
    "https://app.example.org.evil.example",
    "https://app.example.org:8443",
    "http://app.example.org",
    "null",
    "*",
)
PATHS = (
    "/api/v1/projects",
    "/api/v1/realtime/files/tus",
    "/api/v1/realtime/files/tus/00000000-0000-0000-0000-000000000001",
    "/api/v1/files/some/content",
    "/uploads/some",
    "/livez",
    "/nowhere",
)
OPENING = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, allowed_origins=f"{PAGE}, {LOCAL}/")


async def asks(
    api: Api, path: str, origin: str = PAGE, method: str = "PUT", headers: str = "authorization"
) -> httpx.Response:
    """As a browser does before a request of a page."""
    said = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }
    return await api.client.options(path, headers=said)


def words(answer: httpx.Response, name: str) -> set[str]:
    return {word.strip().lower() for word in answer.headers[name].split(",")}


@pytest.mark.parametrize("path", PATHS)
async def test_a_browser_is_told_what_an_allowed_page_may_send(path: str, api: Api) -> None:
    for origin in (PAGE, LOCAL):
        answer = await asks(api, path, origin)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert answer.headers["Vary"] == "Origin"
        assert {"put", "patch", "delete"} <= words(answer, "Access-Control-Allow-Methods")
        assert {"authorization", "tus-resumable"} <= words(answer, "Access-Control-Allow-Headers")
        assert int(answer.headers["Access-Control-Max-Age"]) <= 7_200


@pytest.mark.parametrize("origin", OTHERS)
async def test_no_other_page_is_let_in(origin: str, api: Api) -> None:
    for path in PATHS:
        assert not opened(await asks(api, path, origin))
        assert not opened(await api.client.get(path, headers={"Origin": origin}))


def opened(answer: httpx.Response) -> list[str]:
    assert answer.headers["Vary"] == "Origin", "a cache would hand it to an allowed page"
    return [name for name in OPENING if name in answer.headers]


async def test_refusals_are_shown_to_allowed_pages_as_well(api: Api) -> None:
    for path in PATHS:
        answer = await api.client.get(path, headers={"Origin": PAGE})
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE, path


async def test_a_page_sees_what_it_needs_of_a_write(api: Api, place: Place) -> None:
    answer = await place.ann("PATCH", f"/tasks/{place.task}", {"title": "New"}, Origin=PAGE)
    assert answer.status_code == 200, answer.text
    shown = words(answer, "Access-Control-Expose-Headers")
    assert {"etag", "x-position", "x-request-id", "retry-after"} <= shown
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE


async def test_a_page_uploads_step_by_step(api: Api, place: Place) -> None:
    tus = Tus(api.client, place.ann.token)
    tus.headers["Origin"] = PAGE
    where = await tus.begin(place.project, 4)
    answer = await tus.add(where, 0, b"some")
    assert answer.status_code == 204, answer.text
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert {"upload-offset", "x-file-id"} <= words(answer, "Access-Control-Expose-Headers")
    plain = await api.client.options(where, headers={"Origin": PAGE})  # tus's own question
    assert {"tus-extension", "tus-max-size"} <= words(plain, "Access-Control-Expose-Headers")
    assert plain.headers["Tus-Version"] == "1.0.0"


async def test_a_page_reads_a_file_by_its_link_and_parts_of_it(api: Api) -> None:
    await api.runtime.blobs.put("k", b"0123456789", content_type="text/plain", name="a.txt")
    link = Links(api.runtime.settings).to("k", api.runtime.now() + timedelta(seconds=60))
    answer = await api.client.get(link, headers={"Origin": PAGE, "Range": "bytes=2-3"})
    assert (answer.status_code, answer.content) == (206, b"23")
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert {"content-range", "content-disposition"} <= words(
        answer, "Access-Control-Expose-Headers"
    )


async def test_the_lists_have_all_that_is_described(api: Api, place: Place) -> None:
    """A header that a route begins to read or to say is one that pages may send or see."""
    described: Any = (await api.client.get("/schema/openapi.json")).json()
    read = {
        parameter["name"].lower()
        for path in described["paths"].values()
        for operation in path.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "header"
    }
    assert read
    assert read <= {name.lower() for name in TAKEN}
    answer = await place.ann("GET", f"/tasks/{place.task}")
    own = {name for name in answer.headers if name.startswith("x-")}
    assert own - {"x-content-type-options", "x-frame-options"} <= {n.lower() for n in SHOWN}


class TestByDefault:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, allowed_origins="")

    async def test_no_page_of_another_origin_is_let_in(self, api: Api) -> None:
        admin: Person = await api.as_("admin")
        for origin in (PAGE, "http://api.test", "null"):
            answer = await asks(api, "/api/v1/projects", origin)
            read = await admin("GET", "/projects", Origin=origin)
            assert read.status_code == 200
            for one in (answer, read):
                assert not any(name.startswith("access-control-") for name in one.headers)
