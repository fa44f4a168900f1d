"""Headers by which a browser does no more with an answer than it should, on every answer."""

from datetime import timedelta

import httpx
import pytest
from msgspec.structs import replace

from infra.links import Links
from infra.settings import Settings
from tests.integration.conftest import Api

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ASKED = {
    "an answer": ("GET", "/livez", 200),
    "a description": ("GET", "/schema/openapi.json", 200),
    "nobody": ("GET", "/api/v1/projects", 401),
    "no route": ("GET", "/nowhere", 404),
    "another method": ("PATCH", "/livez", 405),
    "no body": ("POST", "/api/v1/auth/login", 422),
    "too long an address": ("GET", "/livez?" + "x" * 9_000, 414),
    "uploads": ("OPTIONS", "/api/v1/realtime/files/tus", 204),
}


def said(answer: httpx.Response) -> dict[str, str]:
    """No header twice: browsers take of some the first, of others all."""
    names = [name for name, _ in answer.headers.multi_items()]
    assert sorted(names) == sorted(set(names))
    return {name: answer.headers[name] for name in ALWAYS if name in answer.headers}


@pytest.mark.parametrize("what", ASKED)
async def test_every_answer_has_them(what: str, api: Api) -> None:
    method, path, status = ASKED[what]
    answer = await api.client.request(method, path)
    assert answer.status_code == status, answer.text
    assert said(answer) == ALWAYS
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in answer.headers


async def test_a_page_of_ours_may_look_like_one_and_may_not_be_framed(api: Api) -> None:
    answer = await api.client.get("/api/v1/auth/pages/reset", params={"token": "x"})
    assert answer.headers["Content-Type"].startswith("text/html"), answer.text
    policy = said(answer)["Content-Security-Policy"]
    assert "style-src 'unsafe-inline'" in policy
    assert "frame-ancestors 'none'" in policy
    assert said(answer) | {"Content-Security-Policy": ""} == ALWAYS | {
        "Content-Security-Policy": ""
    }


async def test_a_file_may_be_shown_by_whoever_has_its_link_and_is_never_a_page(api: Api) -> None:
    await api.runtime.blobs.put("k", b"<b>", content_type="text/html", name="a.html")
    expires = api.runtime.now() + timedelta(seconds=60)
    answer = await api.client.get(Links(api.runtime.settings).to("k", expires))
    assert answer.content == b"<b>"
    assert said(answer) == ALWAYS | {
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    assert answer.headers["Cache-Control"] == "private, no-store"


async def test_what_is_kept_says_so_itself(api: Api) -> None:
    answer = await api.client.get("/client/formula.js")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert said(answer) == ALWAYS


class TestBehindHttps:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, public_url="https://formula.example.org")

    async def test_browsers_are_told_to_stay_with_it(self, api: Api) -> None:
        for path in ("/livez", "/nowhere"):
            answer = await api.client.get(path)
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
