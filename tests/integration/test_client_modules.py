"""The browser's client as the API serves it."""

from pathlib import Path

import pytest

from tests.integration.conftest import Api, refusal

pytestmark = pytest.mark.services

MODULES = list((Path(__file__).parents[2] / "api/client/browser").iterdir())


async def test_its_modules_are_public_and_whole(api: Api) -> None:
    for path in MODULES:
        answer = await api.client.get(f"/client/{path.name}")
        assert (answer.status_code, answer.content) == (200, path.read_bytes())
        assert answer.headers["Cache-Control"] == "no-cache"
    assert "formula.js" in {path.name for path in MODULES}


async def test_a_page_may_import_them(api: Api) -> None:
    answer = await api.client.get("/client/formula.js")
    assert answer.headers["Content-Type"].startswith("text/javascript")


async def test_what_has_not_changed_is_not_sent_again(api: Api) -> None:
    etag = (await api.client.get("/client/formula.js")).headers["ETag"]
    again = await api.client.get("/client/formula.js", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    other = await api.client.get("/client/link.js", headers={"If-None-Match": etag})
    assert other.status_code == 200


async def test_nothing_else_is_served_there(api: Api) -> None:
    for name in ("client.py", "..%2Fclient.py", "../client.py"):
        assert (await api.client.get(f"/client/{name}")).status_code == 404
    assert refusal(await api.client.get("/client/client.py")) == "404 module.not_found"
