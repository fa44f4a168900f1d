"""The scanner: a real clamd, and servers that are none."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infra.folder import free_port
from infra.inspecting.clamav import Patience, Unavailable, scan
from infra.inspecting.judging import judge
from infra.inspecting.kinds import TEXT, ZIP
from infra.inspecting.model import Clean, Code, Infected, Rejected
from infra.settings import Settings
from tests.infra.inspecting.clamd import STREAM_MOST, VIRUS, clamd
from tests.infra.inspecting.samples import archive

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
FOUND = Infected("Tests.Virus.UNOFFICIAL", "clamav")
SHORT = Patience(connecting=0.5, scanning=0.5)


async def parts(*all_of_them: bytes) -> AsyncIterator[bytes]:
    for one in all_of_them:
        yield one


@pytest.mark.clamd
@pytest.mark.timeout(400)
@pytest.mark.xdist_group("clamd")
async def test_a_real_one_finds_what_it_knows(tmp_path: Path) -> None:
    port = free_port()
    async with clamd(tmp_path, port) as socket:
        for url in (f"unix://{socket}", f"tcp://127.0.0.1:{port}"):
            assert await scan(url, parts(b"hello")) == Clean("clamav")
            assert await scan(url, parts()) == Clean("clamav")
            assert await scan(url, parts(b"x" * 99, b"", VIRUS[:9], VIRUS[9:])) == FOUND
            assert await scan(url, parts(*[bytes(1 << 19)] * 6, VIRUS)) == FOUND
        url = f"unix://{socket}"
        too_long = await scan(url, parts(*[bytes(1 << 20)] * (STREAM_MOST + 1)))
        assert isinstance(too_long, Rejected)
        assert too_long.code is Code.UNINSPECTABLE
        scans = (scan(url, parts(VIRUS if n % 2 else b"x")) for n in range(20))
        assert await asyncio.gather(*scans) == [Clean("clamav"), FOUND] * 10
        await _judged(Settings(clamav_url=url), tmp_path / "upload")


async def _judged(settings: Settings, path: Path) -> None:
    """First by us, then by it: what is packed as well."""
    assert await judge(settings, kept(path, b"hello"), "a.txt", TEXT) == Clean("clamav")
    assert await judge(settings, kept(path, VIRUS), "a.txt", TEXT) == FOUND
    assert await judge(Settings(), path, "a.txt", TEXT) == Clean("built-in")
    assert await judge(settings, kept(path, archive({"a.txt": VIRUS})), "a.zip", ZIP) == FOUND


def kept(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@asynccontextmanager
async def server(answer: Answer) -> AsyncGenerator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"tcp://127.0.0.1:{port}"


def says(text: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(bytes(4))
        writer.write(text)
        await writer.drain()

    return answer


async def stalls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    await asyncio.Event().wait()


async def leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize(
    "answer",
    [
        *(stalls, leaves, resets, says(b"stream: OK"), says(b""), says(b"\0")),
        *(says(b"\xff" * 100 + b"\0"), says(b"x" * 100_000 + b"\0"), says(b"OK\0")),
        *(says(b"stream: OK FOUND ERROR\0"), says(b"INSTREAM: Can't allocate memory ERROR\0")),
        says(b"HTTP/1.1 400 Bad Request\r\n\r\n\0"),
    ],
)
@pytest.mark.parametrize("size", [1, 8 << 20])
async def test_one_that_is_none_gives_no_verdict(answer: Answer, size: int) -> None:
    async with server(answer) as url:
        with pytest.raises(Unavailable, match=url):
            await scan(url, parts(b"x" * size), SHORT)


@pytest.mark.parametrize(
    "url", ["tcp://127.0.0.1:1", "unix:///nowhere/clamd.sock", "tcp://127.0.0.1:99999"]
)
async def test_one_that_is_not_there_gives_no_verdict(url: str) -> None:
    with pytest.raises(Unavailable, match=url):
        await scan(url, parts(b"x"), SHORT)


async def test_what_it_answers_before_all_is_sent_counts() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1 << 18)
        writer.write(b"INSTREAM size limit exceeded. ERROR\0")
        await writer.drain()

    async with server(answer) as url:
        verdict = await scan(url, parts(*[bytes(1 << 18)] * 64))
    assert isinstance(verdict, Rejected)


async def test_content_that_cannot_be_read_is_said_as_it_is() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise LookupError("gone")

    async with server(stalls) as url:
        with pytest.raises(LookupError, match="gone"):
            await scan(url, broken(), SHORT)
