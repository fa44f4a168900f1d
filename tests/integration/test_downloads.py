"""Files by a link: whoever has it gets the file, and nothing else of anybody."""

from datetime import timedelta

import httpx

from infra.links import Links
from tests.integration.conftest import Api, refusal

KEY = "report-1"
NAME = 'Brücke "1".pdf\r\nX-Evil: 1'


async def kept(api: Api, content: bytes = b"%PDF-1.7") -> None:
    await api.runtime.blobs.put(KEY, content, content_type="application/pdf", name=NAME)


def link(api: Api, key: str = KEY, method: str = "GET", seconds: int = 60) -> str:
    expires = api.runtime.now() + timedelta(seconds=seconds)
    return Links(api.runtime.settings).to(key, expires, method)


async def get(api: Api, path: str) -> httpx.Response:
    return await api.client.get(path)


async def test_a_link_gives_the_file_to_be_saved_and_never_shown_as_a_page(api: Api) -> None:
    content = bytes(range(256)) * 4_000
    await kept(api, content)
    answer = await get(api, link(api))
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="Br_cke _1_.pdf__X-Evil_ 1";'
        " filename*=UTF-8''Br%C3%BCcke%20%221%22.pdf%0D%0AX-Evil%3A%201"
    )
    assert "X-Evil" not in answer.headers


async def test_a_link_of_local_storage_opens_it_at_its_own_address(api: Api) -> None:
    await kept(api)
    blobs, expires = api.runtime.blobs, api.runtime.now() + timedelta(minutes=1)
    found = await blobs.link(KEY, NAME, "application/pdf", expires)
    path = found.removeprefix("http://localhost:5014")
    answer = await get(api, path)
    assert (answer.status_code, answer.content) == (200, b"%PDF-1.7")
    assert refusal(await get(api, path.replace(KEY, "report-2"))) == "403 file.bad_link"


async def test_a_forged_or_expired_link_or_one_for_something_else_is_refused(api: Api) -> None:
    await kept(api)
    true = link(api)
    for bad in (
        true.partition("?")[0],
        true[:-1] + ("0" if true[-1] != "0" else "1"),
        true.replace(KEY, "report-2"),
        link(api, method="PUT"),
    ):
        assert refusal(await get(api, bad)) == "403 file.bad_link", bad
    assert refusal(await get(api, link(api, seconds=-1))) == "403 file.link_expired"
    for method in ("POST", "PUT", "DELETE"):
        answer = await api.client.request(method, true)
        assert answer.status_code == 405, method


async def test_a_file_that_is_gone_is_not_found(api: Api) -> None:
    assert refusal(await get(api, link(api))) == "404 file.not_found"
