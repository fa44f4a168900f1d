"""The api process is killed while it puts an upload together: it is a file once, or goes on."""

import asyncio
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Literal
from uuid import UUID

import httpx
import msgspec
import pytest

from infra.folder import free_port
from infra.runtime import Runtime
from infra.settings import Settings, child_environment
from tests.faults.children import LIMIT_S, LONG
from tests.faults.dying_api import POINTS
from tests.faults.sending import left, uploading
from tests.http import answers
from tests.infra import until as threads
from tests.integration.reading import asking
from tests.integration.tus import Tus
from tests.workers.office import until

pytestmark = [pytest.mark.services, pytest.mark.faults, LONG, pytest.mark.timeout(300)]

SIZE, FIRST = 3_000_000, 1_000_000  # bytes
WHOLE = (b"what is put together only once\n" * SIZE)[:SIZE]


async def test_whenever_it_is_killed_a_file_is_there_once_or_its_upload_goes_on(
    projected: Runtime, tmp_path: Path
) -> None:
    async with uploading(projected.settings) as ann, asking(ann.url) as client:
        tus = Tus(client, ann.token)
        with dying(projected.settings, tmp_path / "api.log") as process:
            for point in POINTS:
                content = os.urandom(16).hex().encode() + WHOLE[32:]
                path = await tus.begin(str(ann.project), SIZE)
                await tus.add(path, 0, content[:FIRST])
                await process.killed(point, ann.token, path, content[FIRST:])
                await goes_on(tus, path, content)
                file = UUID(path.rpartition("/")[2])
                assert await ann.versions(file) == [sha256(content).hexdigest()], point
                assert (await left(ann.runtime)).coming == 0, point


async def goes_on(tus: Tus, path: str, content: bytes) -> None:
    offset = await offset_of(tus, path)
    assert offset in (FIRST, SIZE)
    assert (await tus.add(path, offset, content[offset:])).status_code == 204
    assert await tus.offset(path) == SIZE


async def offset_of(tus: Tus, path: str) -> int:
    """Once the lease of the dead one has run out: until then it is a 423."""

    async def looked() -> httpx.Response | Literal[False]:
        answer = await tus("HEAD", path)
        return answer if answer.status_code != 423 else False

    found = await until(looked)
    assert found
    assert found.status_code == 200
    return int(found.headers["Upload-Offset"])


class Dying:
    """A process whose children answer at an address of theirs, and die at a point."""

    def __init__(self, process: Popen[str], url: str) -> None:
        self.url, self._process = url, process

    async def killed(self, point: str, token: str, path: str, rest: bytes) -> None:
        """Return once one died of the last part."""
        assert self._process.stdin
        self._process.stdin.write(f"{point}\n")
        self._process.stdin.flush()
        await threads.until(lambda: answers(f"{self.url}/livez"), LIMIT_S)
        async with asking(self.url) as client:
            with pytest.raises(httpx.TransportError):
                await Tus(client, token).add(path, FIRST, rest)
        assert await asyncio.to_thread(self._ended) == -signal.SIGKILL

    def _ended(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())


@contextmanager
def dying(settings: Settings, log: Path) -> Generator[Dying]:
    own: Settings = msgspec.structs.replace(settings, port=free_port())
    command, environment = [sys.executable, "-m", "tests.faults.dying_api"], child_environment(own)
    with (
        log.open("w") as written,
        Popen(
            command, stdin=PIPE, stdout=PIPE, stderr=written, text=True, env=environment
        ) as process,
    ):
        yield Dying(process, f"http://127.0.0.1:{own.port}")  # whose input ends here
