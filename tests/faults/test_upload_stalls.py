"""Who stalls is not waited for: an upload that goes on no more, a download that nobody takes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from urllib.parse import urlsplit

import pytest

from api import http_protocol
from infra.links import Links
from infra.runtime import Runtime
from tests.faults.sending import Ann, head_of, idle, left, once, uploading
from tests.infra.until import until
from tests.integration.reading import asking
from tests.integration.test_downloads import held
from tests.integration.tus import Tus
from tests.workers import office

pytestmark = [pytest.mark.services, pytest.mark.faults]

STALL_S = 0.6
DRIP_S = STALL_S / 6
DRIPS = 15  # for longer than a stall may last
MIB = 1 << 20
WHOLE = (b"line by line, and then no more\n" * MIB)[: 2 * MIB]


@pytest.fixture
async def ann(projected: Runtime, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ann]:
    monkeypatch.setattr(http_protocol, "STALL_S", STALL_S)
    async with uploading(projected.settings) as one:
        yield one


async def stalled(ann: Ann, wire: bytes) -> bytes:
    """What is answered to that, and nothing behind it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(ann.url).port)
    writer.write(wire)
    async with asyncio.timeout(20 * STALL_S):
        answer = await reader.read()
    writer.close()
    await office.until(idle)
    return answer.partition(b"\r\n")[0]


@pytest.mark.parametrize("kind", ["raw", "chunked", "form"])
@pytest.mark.parametrize("came", [0, 1, MIB])
async def test_an_upload_that_stalls_ends_and_leaves_nothing(
    kind: str, came: int, ann: Ann
) -> None:
    request = getattr(ann, kind)(WHOLE, "again")
    before = await left(ann.runtime)
    cut = request.wire[: request.before + came]
    assert await stalled(ann, cut) == b"HTTP/1.1 408 Request Timeout"
    assert await left(ann.runtime) == before
    sent = await ann.send(request.wire)
    assert await ann.versions(sent.id) == [sha256(WHOLE).hexdigest()]


async def test_of_a_part_that_stalls_stays_what_came(ann: Ann) -> None:
    async with asking(ann.url) as client:
        tus = Tus(client, ann.token)
        path = await tus.begin(str(ann.project), len(WHOLE))
        await stalled(ann, tus.head(path, len(WHOLE)) + WHOLE[:MIB])
        assert await tus.offset(path) == MIB
        assert (await tus.add(path, MIB, WHOLE[MIB:])).status_code == 204
        await once(ann, path, WHOLE)


async def test_who_is_slow_does_not_stall(ann: Ann) -> None:
    request = ann.raw(WHOLE, "again")
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(ann.url).port)
    writer.write(request.wire[: request.before])
    for at in range(DRIPS):
        writer.write(WHOLE[at : at + 1])
        await asyncio.sleep(DRIP_S)
    writer.write(WHOLE[DRIPS:])
    assert b" 201 " in await reader.readline()
    writer.close()


async def test_who_waits_for_us_does_not_stall(ann: Ann, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the buffers hold has come, and is taken only later."""
    put, request = ann.runtime.blobs.put, ann.raw(WHOLE, "again")

    async def late(*given: object, **named: object) -> object:
        await asyncio.sleep(2 * STALL_S)
        return await put(*given, **named)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(ann.runtime.blobs, "put", late)
    assert (await ann.send(request.wire)).status == 201


async def test_a_download_that_nobody_takes_ends(ann: Ann) -> None:
    root = ann.runtime.settings.local_storage_path
    with await asked_for(ann, 64 * MIB):
        await until(lambda: held(root))  # more than the buffers hold: it waits for its reader
        await until(lambda: not held(root))
        await office.until(idle)


async def test_a_download_that_is_taken_slowly_goes_on(ann: Ann) -> None:
    with await asked_for(ann, 16 * MIB) as connection:
        for _ in range(DRIPS):
            assert await asyncio.to_thread(connection.recv, MIB // 16)
            await asyncio.sleep(DRIP_S)
        rest = 0
        while piece := await asyncio.to_thread(connection.recv, MIB):
            rest += len(piece)
        assert rest > 14 * MIB, "all of it"


async def asked_for(ann: Ann, size: int) -> socket.socket:
    """A download that has begun."""
    await ann.runtime.blobs.put("f-1", bytes(size), content_type="video/mp4", name="a.mp4")
    path = Links(ann.runtime.settings).to("f-1", ann.runtime.now() + timedelta(minutes=1))
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    connection.connect(("127.0.0.1", urlsplit(ann.url).port))
    connection.sendall(head_of("GET", path, {"Connection": "close"}))
    return connection


async def test_a_websocket_that_is_silent_does_not_stall(ann: Ann) -> None:
    quiet = await ann.live.open(ann.user)
    await asyncio.sleep(2 * STALL_S)
    assert (await quiet.ask("join", room=f"project:{ann.project}"))["op"] == "joined"
