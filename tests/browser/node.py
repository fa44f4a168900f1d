"""The client in node: one process a page, that evaluates what it reads."""

import asyncio
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from itertools import count

import msgspec
import pytest

from tests.browser.page import WAIT_S, Json, ScriptFailed

# node < 22 has its WebSocket behind a flag, which later ones still know.
FLAGS = ("--experimental-websocket", "--no-warnings", "--input-type=module")
EVALUATE = """
import { createInterface } from "node:readline";
const AsyncFunction = (async () => {}).constructor;
const tell = (message) => process.stdout.write(JSON.stringify(message) + "\\n");
for await (const line of createInterface({ input: process.stdin })) {
  const { id, script } = JSON.parse(line);
  new AsyncFunction(script)().then(
    (value) => tell({ id, value }),
    (error) => tell({ id, error: String(error) }),
  );
}
process.exit(0);
"""


class _Answer(msgspec.Struct, frozen=True):
    id: int
    value: Json = None
    error: str | None = None


class NodePage:
    """Scripts may overlap: each has its answer by id."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._ids = count()
        self._waiting: dict[int, asyncio.Future[Json]] = {}

    async def run(self, script: str) -> Json:
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode({"id": number, "script": script}) + b"\n")
        async with asyncio.timeout(2 * WAIT_S):
            return await answer

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            answer = msgspec.json.decode(line, type=_Answer)
            waiting = self._waiting.pop(answer.id)
            if answer.error is None:
                waiting.set_result(answer.value)
            else:
                waiting.set_exception(ScriptFailed(answer.error))
        for waiting in self._waiting.values():
            if not waiting.done():  # nobody waits any more for what took too long
                waiting.set_exception(ScriptFailed("node has ended"))


@asynccontextmanager
async def node_page() -> AsyncGenerator[NodePage]:
    """Skipped where there is no node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing: apt-get install nodejs")
    process = await asyncio.create_subprocess_exec(
        node, *FLAGS, "--eval", EVALUATE, stdin=PIPE, stdout=PIPE, limit=1 << 24
    )
    page = NodePage(process)
    listening = asyncio.create_task(page.listen())
    try:
        yield page
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await listening
