"""One GET again and again over a connection that is kept: as little of a client as there can be."""

import asyncio
import re
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

IDLE_S = 3.0  # the server closes those that are not used for longer, perhaps in this moment
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
OK = b"HTTP/1.1 200"


class Asking:
    """Connections that are taken in turn; one is opened where all are in use."""

    def __init__(self, port: int, path: str, headers: Mapping[str, str]) -> None:
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._port, self._request = port, "\r\n".join([*lines, "", ""]).encode()
        self._free: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for _, _, writer in self._free:
            writer.close()

    async def ask(self) -> bytes:
        """The answer's body. Raises ConnectionError for any status but 200."""
        reader, writer = await self._connection()
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        self._free.append((time.monotonic(), reader, writer))
        if not head.startswith(OK):
            raise ConnectionError((head.split(b"\r\n")[0] + b" " + body[:200]).decode())
        return body

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._free:
            since, reader, writer = self._free.pop()
            if time.monotonic() - since < IDLE_S and not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)
