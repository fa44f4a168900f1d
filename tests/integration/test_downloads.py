"""Files by a link: whoever has it gets the file, and nothing else of anybody."""

import asyncio
import socket
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from api.files import Sending
from infra.blobs.door import Blobs
from infra.blobs.model import Flow
from infra.links import Links
from tests.http import PLAIN
from tests.infra.until import until
from tests.integration.conftest import Api, Place, refusal
from tests.integration.keeping import keep
from tests.integration.reading import http
from tests.integration.sockets import Live

KEY = "report-1"
NAME = 'Brücke "1".pdf\r\nX-Evil: 1'


async def kept(api: Api, content: bytes = b"%PDF-1.7") -> None:
    await api.runtime.blobs.put(KEY, content, content_type="application/pdf", name=NAME)


def link(api: Api, key: str = KEY, method: str = "GET", seconds: int = 60) -> str:
    expires = api.runtime.now() + timedelta(seconds=seconds)
    return Links(api.runtime.settings).to(key, expires, method)


async def get(api: Api, path: str, **headers: str) -> httpx.Response:
    """Header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.client.get(path, headers=named)


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


@pytest.mark.parametrize("local", [False, True])
async def test_all_that_a_link_says_is_signed(local: bool, api: Api) -> None:
    await kept(api)
    links, expires = Links(api.runtime.settings), api.runtime.now() + timedelta(minutes=1)
    path = f"/uploads/{KEY}" if local else f"/api/v1/files/{KEY}/content"
    query = links.query(KEY, expires, address="127.0.0.1")
    said = {name: one for name, [one] in parse_qs(query, strict_parsing=True).items()}
    assert said.keys() == {"expires", "kid", "signature", "address"}
    assert (await get(api, f"{path}?{urlencode(said)}")).status_code == 200
    for name, value in said.items():
        changed = value[:-1] + ("0" if value[-1] != "0" else "1")
        for other in ({name: changed}, {name: ""}, {name: value + "0"}):
            answer = await get(api, f"{path}?{urlencode(said | other)}")
            assert answer.status_code in (403, 422), other
        less = {one: of for one, of in said.items() if one != name}
        assert refusal(await get(api, f"{path}?{urlencode(less)}")) == "403 file.bad_link", name


async def test_a_file_that_is_gone_is_not_found(api: Api) -> None:
    assert refusal(await get(api, link(api))) == "404 file.not_found"


CONTENT = bytes(range(256)) * 1_000


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=70000-140000", 70_000, 140_001),
        ("bytes=255990-", 255_990, 256_000),
        ("bytes=-10", 255_990, 256_000),
        ("bytes=-999999", 0, 256_000),
        ("Bytes=255999-999999", 255_999, 256_000),
    ],
)
async def test_a_part_is_had(asked: str, start: int, end: int, api: Api) -> None:
    await kept(api, CONTENT)
    answer = await get(api, link(api), Range=asked)
    assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/256000"
    assert answer.headers["Content-Length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=256000-", "bytes=999999-1000000", "bytes=-0"])
async def test_a_part_beyond_the_end_is_refused(asked: str, api: Api) -> None:
    await kept(api, CONTENT)
    answer = await get(api, link(api), Range=asked)
    assert refusal(answer) == "416 file.out_of_range"
    assert answer.headers["Content-Range"] == "bytes */256000"


@pytest.mark.parametrize(
    "asked",
    ["bytes=5-4", "bytes=-", "bytes=1-2,4-5", "lines=1-2", "bytes=a-b", f"bytes={'9' * 99}-"],
)
async def test_what_makes_no_range_gives_all_of_it(asked: str, api: Api) -> None:
    await kept(api, CONTENT)
    answer = await get(api, link(api), Range=asked)
    assert (answer.status_code, len(answer.content)) == (200, 256_000)
    assert "Content-Range" not in answer.headers
    assert answer.headers["Accept-Ranges"] == "bytes"


async def test_who_has_it_already_does_not_get_it_again(api: Api) -> None:
    await kept(api)
    tag = (await get(api, link(api))).headers["ETag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = await get(api, link(api), If_None_Match=given)
        assert (answer.status_code, answer.content) == (304, b""), given
        assert answer.headers["ETag"] == tag
    assert (await get(api, link(api), If_None_Match='"other"')).status_code == 200


async def test_a_download_goes_on_only_with_what_it_began_with(api: Api) -> None:
    await kept(api, b"as it was")
    tag = (await get(api, link(api))).headers["ETag"]
    answer = await get(api, link(api), Range="bytes=3-", If_Range=tag)
    assert (answer.status_code, answer.content) == (206, b"it was")
    await kept(api, b"made anew")
    await kept(api, b"as it is by now")
    for given in (tag, "Sat, 31 Jan 2026 00:00:00 GMT"):
        answer = await get(api, link(api), Range="bytes=3-", If_Range=given)
        assert (answer.status_code, answer.content) == (200, b"as it is by now")


async def test_who_wants_just_what_it_began_with_is_told_that_it_is_another(api: Api) -> None:
    await kept(api, b"as it was")
    tag = (await get(api, link(api))).headers["ETag"]
    for given in (tag, f'"other", {tag}', "*"):
        assert (await get(api, link(api), If_Match=given)).content == b"as it was"
    await kept(api, b"made anew, and longer")
    for given in (tag, f"W/{tag}", '"other"'):
        assert refusal(await get(api, link(api), If_Match=given)) == "412 file.changed"


async def test_a_link_tells_about_its_file_without_giving_it(api: Api) -> None:
    await kept(api, CONTENT)
    whole = await get(api, link(api))
    answer = await api.client.head(link(api), headers={"Range": "bytes=0-0"})
    assert (answer.status_code, answer.content) == (200, b"")
    own = {"x-request-id", "date"}
    assert {k: v for k, v in answer.headers.items() if k not in own} == {
        k: v for k, v in whole.headers.items() if k not in own
    }
    assert (await api.client.head(link(api)[:-1])).status_code == 403


@pytest.mark.parametrize("kind", ["text/csv", "text/csv; charset=utf-8"])
async def test_text_says_how_it_is_written(kind: str, api: Api) -> None:
    content = "Größe\n".encode()
    await api.runtime.blobs.put(KEY, content, content_type=kind, name="a.csv")
    for answer in (await get(api, link(api)), await api.client.head(link(api))):
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


async def test_no_cookie_counts_and_none_is_set(api: Api) -> None:
    await kept(api)
    answer = await get(api, link(api), Cookie="session=1; =; a=\x7f")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert "Vary" not in answer.headers


async def test_a_link_for_an_address_opens_from_there_alone(api: Api) -> None:
    await kept(api)
    links, expires = Links(api.runtime.settings), api.runtime.now() + timedelta(minutes=1)
    path = f"/api/v1/files/{KEY}/content?"
    here = path + links.query(KEY, expires, address="127.0.0.1")
    there = path + links.query(KEY, expires, address="192.0.2.7")
    assert (await get(api, here)).status_code == 200
    assert refusal(await get(api, there)) == "403 file.link_of_another_address"
    for forged in (
        there.replace("192.0.2.7", "127.0.0.1"),
        there.replace("&address=192.0.2.7", ""),
        f"{link(api)}&address=127.0.0.1",
    ):
        assert refusal(await get(api, forged)) == "403 file.bad_link", forged


async def test_a_file_s_link_can_be_asked_for_an_address(place: Place, api: Api) -> None:
    file = await keep(api.runtime, place.project, b"for one alone")
    path = f"/realtime/files/{file}/url"
    answers = list[int]()
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "192.0.2.7", "2001:db8::7"):
        url = (await place.ann.get(path, address=address))["url"]
        answers.append((await get(api, url.removeprefix("http://localhost:5014"))).status_code)
    assert answers == [200, 200, 403, 403]
    for bad in ("", "127.0.0", "localhost", "10.0.0.0/8"):
        assert await place.ann.refused("GET", f"{path}?address={bad}") == "422 file.bad_address"


def held(blobs: str) -> list[str]:
    """Files of the store that this process has open."""
    found = list[str]()
    for one in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed since it was listed
            found.append(str(one.readlink()))
    return [name for name in found if name.startswith(f"{blobs}/")]


async def test_a_reader_who_goes_away_leaves_no_file_open(live: Live) -> None:
    root = live.runtime.settings.local_storage_path
    await put_large(live.runtime.blobs)
    expires = live.runtime.now() + timedelta(minutes=1)
    url = urlsplit(http(live) + Links(live.runtime.settings).to(KEY, expires))
    reader, writer = await asyncio.open_connection(url.hostname, url.port, limit=1 << 16)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    writer.write(f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    assert b" 200 " in await reader.readline()
    await until(lambda: held(root))  # more than the buffers hold: it waits for its reader
    writer.transport.abort()
    await until(lambda: not held(root))


@pytest.mark.parametrize("told", ["by its absence", "by an error"])
async def test_a_file_is_closed_though_none_of_it_is_read_any_more(told: str) -> None:
    closed, begun = list[bool](), asyncio.Event()
    flow = Flow(iter([b"a", b"b"]), lambda: closed.append(True))

    async def receive() -> Any:
        await (asyncio.Event() if told == "by an error" else begun).wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            begun.set()
            if told == "by an error":
                raise OSError
            await asyncio.Event().wait()  # as a server does whose buffers are full

    with suppress(ExceptionGroup, OSError):
        await Sending(flow, 200, {}, "text/plain")(cast(Any, None), receive, send)
    assert closed


async def put_large(blobs: Blobs) -> None:
    await blobs.put(KEY, bytes(64 << 20), content_type="video/mp4", name="a.mp4")


async def test_a_part_over_a_real_connection_is_as_long_as_it_says(live: Live) -> None:
    await put_large(live.runtime.blobs)
    expires = live.runtime.now() + timedelta(minutes=1)
    url = http(live) + Links(live.runtime.settings).to(KEY, expires)
    async with httpx.AsyncClient(verify=PLAIN, trust_env=False) as client:
        for _ in range(2):  # on one connection: what came before was whole
            assert (await client.head(url)).headers["Content-Length"] == str(64 << 20)
            answer = await client.get(url, headers={"Range": "bytes=1000-1099"})
            assert (answer.status_code, len(answer.content)) == (206, 100)
            tag = {"If-None-Match": answer.headers["ETag"]}
            assert (await client.get(url, headers=tag)).status_code == 304
