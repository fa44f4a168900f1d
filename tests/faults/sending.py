"""Uploads by bare sockets that break off where a test says, and what there is of them then."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from psycopg.rows import scalar_row

from domain.file import FILE
from infra.runtime import Runtime
from infra.settings import Settings
from tests.integration.reading import http, node
from tests.integration.sockets import Live
from tests.workers.office import until

LINGER_NOT = struct.pack("ii", 1, 0)  # the end of the connection is a reset
WAIT_S = 30.0


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes

    @property
    def id(self) -> UUID:
        return UUID(msgspec.json.decode(self.body)["id"])


class Request(msgspec.Struct, frozen=True):
    """As it goes over the wire. `before`: bytes of it in front of the content."""

    wire: bytes
    before: int


class Ann:
    """Somebody who uploads to a project of hers."""

    def __init__(self, live: Live, user: UUID, project: UUID) -> None:
        self.live, self.runtime = live, live.runtime
        self.user, self.project, self.token = user, project, live.token(user)
        self.url = http(live)
        self._port = int(self.url.rpartition(":")[2])

    def raw(self, content: bytes, again: str) -> Request:
        """`again`: says that it is the same upload."""
        return self._post({"name": "a.txt"}, {"Idempotency-Key": again}, b"", content, b"")

    def chunked(self, content: bytes, again: str) -> Request:
        """Without a length, in one chunk."""
        headers = {"Idempotency-Key": again, "Transfer-Encoding": "chunked"}
        begin = b"%x\r\n" % len(content)
        return self._post({"name": "a.txt"}, headers, begin, content, b"\r\n0\r\n\r\n")

    def form(self, content: bytes, again: str) -> Request:
        headers = {"Idempotency-Key": again, "Content-Type": "multipart/form-data; boundary=x"}
        begin = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        return self._post({}, headers, begin, content, b"\r\n--x--\r\n")

    def _post(
        self,
        asked: dict[str, str],
        headers: dict[str, str],
        begin: bytes,
        content: bytes,
        end: bytes,
    ) -> Request:
        path = "/api/v1/realtime/files/upload?"
        path += urlencode({"project": str(self.project), **asked})
        body = begin + content + end
        if "Transfer-Encoding" not in headers:
            headers["Content-Length"] = str(len(body))
        head = head_of("POST", path, {"Authorization": f"Bearer {self.token}", **headers})
        return Request(head + body, len(head) + len(begin))

    async def cut(self, wire: bytes, *, reset: bool) -> None:
        """Send that and go away; return once nobody is about it any more."""
        await asyncio.to_thread(self._cut, wire, reset)
        await self.send(head_of("GET", "/livez", {}))  # accepted after that one
        await until(idle)

    def _cut(self, wire: bytes, reset: bool) -> None:
        with self._connected() as connection:
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            connection.sendall(wire)

    async def send(self, wire: bytes) -> Answer:
        return await asyncio.to_thread(self._send, wire)

    def _send(self, wire: bytes) -> Answer:
        with self._connected() as connection:
            connection.sendall(wire)
            with connection.makefile("rb") as file:
                status = int(file.readline().split()[1])
                length = 0
                while (line := file.readline().strip()) != b"":
                    name, _, value = line.partition(b": ")
                    length = int(value) if name == b"content-length" else length
                return Answer(status, file.read(length))

    def _connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), WAIT_S)

    async def versions(self, file: UUID) -> list[str]:
        """The SHA-256 of each, read from where it is kept and held against the event."""
        found = list[str]()
        for version in (await self.runtime.load(FILE, file)).state.versions:
            opened, digest = await self.runtime.blobs.open(version.key), sha256()
            async for piece in opened.content:
                digest.update(piece)
            assert digest.hexdigest() == version.sha256
            found.append(version.sha256)
        return found


def head_of(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: api", *lines, "", ""]).encode()


async def idle() -> bool:
    """The server in this process is about no request."""
    coroutines = [str(task.get_coro()) for task in asyncio.all_tasks()]
    return not any("run_asgi" in one for one in coroutines)


class Left(msgspec.Struct, frozen=True):
    """What there is: files' events, blobs with unfinished ones, and bytes that count as coming."""

    head: int
    blobs: frozenset[str]
    coming: int


async def left(runtime: Runtime) -> Left:
    async with runtime.db.connection() as db, db.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            "SELECT coalesce(sum(length), 0)::bigint FROM formula_uploads WHERE position IS NULL"
        )
        coming = await cursor.fetchone()
    return Left(await runtime.store.head(), frozenset(on_disk(runtime.settings)), coming or 0)


def on_disk(settings: Settings) -> list[str]:
    return [path.name for path in Path(settings.local_storage_path).glob("??/*")]


@asynccontextmanager
async def uploading(settings: Settings) -> AsyncGenerator[Ann]:
    """An api process as production runs it, in this process."""
    async with node(settings) as live:
        ann = await live.user("ann")
        yield Ann(live, ann, await live.project(ann))


async def once(ann: Ann, path: str, content: bytes) -> None:
    """It is a file, with one version and nothing beside; the first upload's id is the file's."""
    file = UUID(path.rpartition("/")[2])
    assert await ann.versions(file) == [sha256(content).hexdigest()]
    there = await left(ann.runtime)
    assert (len(there.blobs), there.coming) == (1, 0)
