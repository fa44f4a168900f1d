"""Servers that hang and servers that are killed: every answer is the table's, and soon."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from tests.faults.children import LONG
from tests.integration.sockets import Socket
from tests.outages.probes import FILES, PROBES, TEXT, Visit, mails
from tests.outages.table import TABLE, Away
from tests.outages.world import World, world

pytestmark = [
    pytest.mark.services,
    pytest.mark.faults,
    LONG,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("outages"),
]

OUTAGES = [
    (Away.POSTGRES, "hangs"),
    (Away.POSTGRES, "killed"),
    (Away.REDIS, "hangs"),
    (Away.S3, "hangs"),
    (Away.SMTP, "killed"),
    (Away.PROJECTOR, "killed"),
]
ROWS = {row.what: row for row in TABLE}
READY = "GET /readyz"
SEEN_S = 20.0  # until readiness says so
SOON_S = 5.0  # for who is told that something is away: three seconds where the machine idles
DONE_S = 25.0  # for what is done all the same
# What is not asked while nobody knows yet.
UNKNOWN = {READY, "frame join", "a mail", "a job"}
SOON: dict[Away | None, set[str]] = {
    away: {row.what for row in TABLE if row.of(away).startswith(("503 store", "503 file", "err"))}
    for away in Away
}
UNKNOWN_OF: dict[Away, set[str]] = {
    Away.S3: {"POST …/files/upload"}
}  # it waits for S3's own time-out


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here() -> AsyncIterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="formula-outages-"))
    folder.chmod(0o755)  # noqa: ASYNC240, at once
    async with world(folder) as one:
        yield one
    shutil.rmtree(folder)


@asynccontextmanager
async def visiting(here: World) -> AsyncGenerator[Visit]:
    wanted = {"project": str(here.project), "name": "lift.txt"}
    made = await here.http.post(f"{FILES}/upload", params=wanted, content=TEXT)
    assert made.is_success, made.text
    link = await _link(here, made.json()["id"])
    headers = {"Authorization": f"Bearer {here.token}"}
    async with AsyncExitStack() as stack:
        sockets: list[Socket] = []
        for _ in range(5):
            one = connect(here.ws, additional_headers=headers, ping_interval=None, close_timeout=1)
            sockets.append(Socket(await stack.enter_async_context(one)))
        visit = Visit(here, sockets, link)
        for socket in sockets:
            await socket.until(lambda frame: frame["op"] == "joined")
            if socket is not visit.joins:
                assert (await socket.ask("join", room=visit.room))["op"] == "joined"
        yield visit


async def _link(here: World, file: str) -> str:
    """For our own address, so that we read it from S3; once it was looked through."""
    async with asyncio.timeout(30):
        while True:
            answer = await here.http.get(f"{FILES}/{file}/url", params={"address": "127.0.0.1"})
            if answer.is_success:
                return answer.json()["url"]
            await asyncio.sleep(0.1)


async def asked(visit: Visit, names: Collection[str], away: Away | None = None) -> dict[str, str]:
    """The answers, all asked for at once; each within its time."""

    async def one(name: str) -> tuple[str, str]:
        started = time.monotonic()
        try:
            async with asyncio.timeout(SOON_S if name in SOON.get(away, ()) else DONE_S):
                answer = await PROBES[name](visit)
        except TimeoutError:
            answer = "no answer in time"
        print(f"{name}: {answer}, {time.monotonic() - started:.2f} s")  # noqa: T201, for -s
        return name, answer

    return dict(await asyncio.gather(*(one(name) for name in names)))


def expected(names: Collection[str], away: Away | None) -> dict[str, str]:
    return {name: ROWS[name].of(away) for name in names}


@pytest.mark.parametrize(("server", "how"), OUTAGES)
async def test_while_it_is_away_and_when_it_is_back(here: World, server: Away, how: str) -> None:
    await here.is_well()
    at_first = PROBES.keys() - UNKNOWN - UNKNOWN_OF.get(server, set())
    async with visiting(here) as visit:
        async with here.without(server, how):
            assert await asked(visit, at_first, server) == expected(at_first, server)
            if server is Away.S3:
                await here.finds_away("s3", SEEN_S)
            await here.is_(lambda answer: _shown(answer, ROWS[READY].of(server)), SEEN_S)
            assert await asked(visit, PROBES, server) == expected(PROBES, server)
        await here.is_well()
        async with asyncio.timeout(SEEN_S):
            while (answers := await asked(visit, PROBES)) != expected(PROBES, None):
                assert answers["GET /livez, /startupz"] == "200"
        while await mails(here):  # noqa: ASYNC110, they are in another process
            await asyncio.sleep(0.1)


def _shown(answer: httpx.Response, wanted: str) -> bool:
    """By its last word, which is the name of what is away."""
    return wanted.rsplit(maxsplit=1)[-1] in answer.json()["missing"] + answer.json()["degraded"]
