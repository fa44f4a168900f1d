"""clamd by its INSTREAM command: the bytes go there as they come, and need no file.

clamd(8): `zINSTREAM\\0`, then chunks with their length in four bytes, big-endian, then a length of
zero; the answer is `stream: OK`, `stream: <signature> FOUND` or `<why> ERROR`, ended by a NUL.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec

from infra.inspecting.model import Clean, Code, Infected, Rejected, Verdict

SCANNER = "clamav"
PORT = 3310
CHUNK = 1 << 18  # bytes: clamd takes any length, and holds one
MOST_ANSWER = 4_096  # bytes: a signature's name has at most some hundred
FOUND = re.compile(r"stream: (.+) FOUND")
TOO_LARGE = "size limit exceeded"


class Unavailable(Exception):
    """clamd was not reached or gave no verdict; another time it may. Says where and why."""


class Patience(msgspec.Struct, frozen=True):
    """In seconds. A reload of clamd's signatures holds everybody for up to a minute."""

    connecting: float = 10.0
    scanning: float = 300.0


PATIENCE = Patience()


async def scan(url: str, content: AsyncIterator[bytes], patience: Patience = PATIENCE) -> Verdict:
    """Clean, Infected, or Rejected where clamd takes no file of that length. Raises Unavailable."""
    try:
        async with asyncio.timeout(patience.connecting):
            reader, writer = await _connect(url)
    except TimeoutError:
        raise Unavailable(f"{url}: no connection in {patience.connecting:g} s") from None
    except (OSError, ValueError) as error:
        raise Unavailable(f"{url}: {error}") from error
    try:
        async with asyncio.timeout(patience.scanning):
            answer = await _ask(reader, writer, content)
    except TimeoutError:
        raise Unavailable(f"{url}: no answer in {patience.scanning:g} s") from None
    except (OSError, EOFError, asyncio.LimitOverrunError) as error:
        raise Unavailable(f"{url}: {type(error).__name__}: {error}") from error
    finally:
        writer.transport.abort()  # what was not sent would be waited for
        with suppress(OSError):
            await writer.wait_closed()
    return _verdict(url, answer)


async def ping(url: str) -> None:
    """Raises OSError or EOFError where nobody answers as clamd does."""
    reader, writer = await _connect(url)
    try:
        writer.write(b"zPING\0")
        if await reader.readuntil(b"\0") != b"PONG\0":
            raise ConnectionError("it is no clamd")
    finally:
        writer.transport.abort()


async def _connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(parts.path, limit=MOST_ANSWER)
    host, port = parts.hostname, parts.port or PORT
    return await asyncio.open_connection(host, port, limit=MOST_ANSWER)


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: AsyncIterator[bytes]
) -> str:
    answer = asyncio.ensure_future(reader.readuntil(b"\0"))
    try:
        with suppress(ConnectionError):  # it may have answered, and closed, before all was sent
            await _send(writer, content, answer)
        return (await answer)[:-1].decode(errors="replace")
    finally:
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)


async def _send(
    writer: asyncio.StreamWriter, content: AsyncIterator[bytes], answer: asyncio.Future[bytes]
) -> None:
    writer.write(b"zINSTREAM\0")
    async for part in content:
        for at in range(0, len(part), CHUNK):  # none of no length: that would be the end
            piece = part[at : at + CHUNK]
            writer.write(len(piece).to_bytes(4) + piece)
            await writer.drain()
        if answer.done():
            return
    writer.write(bytes(4))
    await writer.drain()


def _verdict(url: str, answer: str) -> Verdict:
    if answer == "stream: OK":
        return Clean(SCANNER)
    if found := FOUND.fullmatch(answer):
        return Infected(found[1], SCANNER)
    if TOO_LARGE in answer:  # however often it is tried
        return Rejected(Code.UNINSPECTABLE, f"clamd: {answer}")
    raise Unavailable(f"{url}: {answer[:200]}")
