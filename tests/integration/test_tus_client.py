"""tus-js-client uploads to real servers, that die or that it leaves, and goes on where it was."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import pytest

from domain.file import FILE
from infra.folder import free_port
from infra.runtime import Runtime
from infra.settings import Settings
from tests.browser.node import NodePage, node_page
from tests.browser.page import call, wait_for
from tests.faults.children import LIMIT_S, serving
from tests.http import answers
from tests.infra.until import until
from tests.integration.reading import asking
from tests.integration.sockets import Json, Served
from tests.integration.tus import Tus
from tests.npm import node_modules

# One xdist group with what else uses npm's packages: they are installed once.
pytestmark = [pytest.mark.services, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

LINE = "what was uploaded line by line\n"
SIZE, CHUNK = 30_000_000, 5_000_000  # bytes
WHOLE = (LINE * (SIZE // len(LINE) + 1)).encode()[:SIZE]

# `sent`: how far each request began, and how far it came.
BEGIN = """
const tus = (await import(module)).default;
const content = Buffer.alloc(size, line);
globalThis.offsets = [];
globalThis.sent = 0;
globalThis.over = null;
const upload = new tus.Upload(content, {
  endpoint: uploadUrl ? null : url,
  uploadUrl,
  chunkSize: chunk,
  retryDelays: Array(300).fill(100),
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: "lines.txt", project },
  onBeforeRequest: (request) => {
    const offset = request.getHeader("Upload-Offset");
    if (offset !== undefined) offsets.push(Number(offset));
  },
  onProgress: (bytes) => { sent = bytes; },
  onSuccess: () => { over = "done"; },
  onError: (error) => { over = String(error); },
});
globalThis.upload = upload;
upload.start();
"""


class Node(Served):
    """An api process of its own, which may be started again at the same address."""

    def __init__(self, runtime: Runtime, folder: Path, stack: ExitStack) -> None:
        self._settings: Settings = msgspec.structs.replace(runtime.settings, port=free_port())
        self.address = f"http://127.0.0.1:{self._settings.port}"
        super().__init__(runtime, self.address)
        self._stack, self._log = stack, folder / "api.log"
        self._process: Popen[bytes] | None = None

    async def start(self) -> None:
        process = self._stack.enter_context(serving("api.main", self._settings, self._log))
        await until(lambda: answers(f"{self.address}/livez"), LIMIT_S)
        self._process = process

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


class Uploader:
    """Somebody with tus-js-client in a process of its own."""

    def __init__(self, node: Node, page: NodePage, project: UUID, token: str) -> None:
        self._node, self._page = node, page
        self._given = {
            "module": str(node_modules() / "tus-js-client/lib.es5/node/index.js"),
            "url": f"{node.address}/api/v1/realtime/files/tus",
            "token": token,
            "project": project,
            "line": LINE,
            "size": SIZE,
            "chunk": CHUNK,
        }

    async def start(self, upload_url: str | None = None) -> None:
        await call(self._page, BEGIN, uploadUrl=upload_url, **self._given)

    async def sent(self, least: int) -> None:
        """Return once so many bytes went out."""
        await wait_for(self._page, f"sent >= {least}")

    async def abort(self) -> str:
        """Where it was going."""
        return await call(self._page, "await upload.abort(); return upload.url;")

    async def done(self) -> list[int]:
        """Where its requests began."""
        assert await wait_for(self._page, "over") == "done"
        return await call(self._page, "return offsets;")

    async def url(self) -> str:
        return await call(self._page, "return upload.url;")


@pytest.fixture
async def node(projected: Runtime, tmp_path: Path) -> AsyncIterator[Node]:
    with ExitStack() as stack:
        one = Node(projected, tmp_path, stack)
        await one.start()
        yield one


@pytest.fixture
async def uploader(node: Node) -> AsyncIterator[Uploader]:
    ann = await node.user("ann")
    project = await node.project(ann)
    async with node_page() as page:
        yield Uploader(node, page, project, node.token(ann))


async def stored(node: Node, url: str) -> list[tuple[int, str]]:
    """Bytes and hash of each version, as they are read; the first upload's id is the file's."""
    state = (await node.runtime.load(FILE, UUID(url.rpartition("/")[2]))).state
    found: list[tuple[int, str]] = []
    for version in state.versions:
        opened = await node.runtime.blobs.open(version.key)
        hashed = sha256()
        async for piece in opened.content:
            hashed.update(piece)
        assert hashed.hexdigest() == version.sha256
        found.append((opened.blob.bytes, version.sha256))
    return found


ONCE = [(SIZE, sha256(WHOLE).hexdigest())]


async def test_an_upload_that_was_left_goes_on(node: Node, uploader: Uploader) -> None:
    await uploader.start()
    await uploader.sent(12_000_000)
    url = await uploader.abort()
    await uploader.start(url)
    offsets = await uploader.done()
    assert offsets[0] >= 10_000_000, "what was sent before is not sent again"
    assert await stored(node, url) == ONCE
    assert await node.runtime.blobs.keys("t-") == []


async def test_an_upload_outlives_the_server(node: Node, uploader: Uploader) -> None:
    await uploader.start()
    await uploader.sent(12_000_000)
    node.kill()
    await node.start()
    offsets = await uploader.done()
    assert len(offsets) > SIZE / CHUNK, "a request was lost"
    assert offsets == sorted(offsets)
    assert await stored(node, await uploader.url()) == ONCE


async def test_what_came_before_a_connection_broke_is_there(node: Node) -> None:
    ann = await node.user("ann")
    project = await node.project(ann)
    async with asking(node.address) as client:
        tus = Tus(client, node.token(ann))
        path = await tus.begin(str(project), SIZE)
        await asyncio.to_thread(cut_off, node.address, tus.head(path, SIZE), WHOLE[:3_000_000])

        async def came() -> bool:
            return await tus.offset(path) == 3_000_000

        async with asyncio.timeout(LIMIT_S):
            while not await came():  # noqa: ASYNC110, the server is another process
                await asyncio.sleep(0.02)
        await tus.add(path, 3_000_000, WHOLE[3_000_000:])
        assert await stored(node, path) == ONCE


def cut_off(address: str, head: bytes, body: bytes) -> None:
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port or 0)) as connection:
        connection.sendall(head + body)


async def test_a_wrong_checksum_has_its_own_status_on_the_wire(node: Node) -> None:
    ann = await node.user("ann")
    project = await node.project(ann)
    async with asking(node.address) as client:
        tus = Tus(client, node.token(ann))
        path = await tus.begin(str(project), 4)
        answer = await tus.add(path, 0, b"1234", upload_checksum="sha1 AAAA")
        body: Json = answer.json()
        assert (answer.status_code, body["status"]) == (460, 460)
