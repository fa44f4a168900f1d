"""Where files are sent to: an API process and a projector, a project and somebody of it."""

import asyncio
import json
import os
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from secrets import token_bytes
from typing import IO, Any
from uuid import UUID

import msgspec

from bench.load.lag import until_ready
from bench.load.served import new_project, register_user, started, token, unlimited, until_answering
from infra.folder import free_port
from infra.runtime import open_runtime
from infra.settings import Settings, child_environment

GROUPS = ("live", "queries")
PIECE = 1 << 24  # bytes
JPEG = b"\xff\xd8\xff\xe0"  # what a file is gets told by its first bytes; the rest nobody decodes


class FileServer(msgspec.Struct, frozen=True):
    """Its address, and the headers and the project that it is spoken to with."""

    port: int
    pid: int
    project: str
    headers: dict[str, str]

    def send(self, path: Path) -> str:
        """Upload it as a raw body, by sendfile(2): who sends costs little; the file's id."""
        with path.open("rb") as content:
            query = f"project={self.project}&name={path.name}"
            return self._ask("POST", f"upload?{query}", content)["id"]

    def metadata(self, file: str) -> Any:
        return self._ask("GET", f"{file}/metadata")

    def _ask(self, method: str, path: str, body: IO[bytes] | None = None) -> Any:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.putrequest(method, f"/api/v1/realtime/files/{path}")
            size = os.fstat(body.fileno()).st_size if body else 0
            for name, value in (*self.headers.items(), ("Content-Length", str(size))):
                connection.putheader(name, value)
            connection.endheaders()
            if body:
                connection.sock.sendfile(body)
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status >= 300:
                raise ConnectionError(f"{answer.status} {text}")
            return json.loads(text)
        finally:
            connection.close()


@contextmanager
def serving_files(settings: Settings) -> Generator[FileServer]:
    """Ready; stopped on leaving. Files may be of any size, and as many as there is room for."""
    port = free_port()
    own = msgspec.structs.replace(
        unlimited(settings, port),
        max_file_size=1 << 40,
        files_quota_project=0,
        files_quota_person=0,
    )
    env = child_environment(own)
    groups = [word for group in GROUPS for word in ("--group", group)]
    with ExitStack() as stack:
        started(stack, (sys.executable, "-m", "projections.main", *groups), env)
        project, signed = asyncio.run(_prepared(own))
        api = started(stack, (sys.executable, "-m", "api.main"), env)
        until_answering(port)
        yield FileServer(port, api.pid, project, {"Authorization": f"Bearer {signed}"})


async def _prepared(settings: Settings) -> tuple[str, str]:
    async with open_runtime(settings) as runtime:
        user: UUID = runtime.new_id()
        await register_user(runtime, user)
        room = await new_project(runtime, [user])
        await until_ready(runtime, GROUPS)
        return room.removeprefix("project:"), token(runtime, user)


def made(path: Path, size: int) -> Path:
    """A file like no other, on the disk; to those who look at its beginning it is a picture."""
    with path.open("wb") as file:
        file.write(JPEG)
        for at in range(len(JPEG), size, PIECE):
            file.write(token_bytes(min(PIECE, size - at)))
        file.flush()
        os.fsync(file.fileno())
    return path


def hollow(path: Path, size: int) -> Path:
    """One that takes no room, and is read from nowhere: all zeros."""
    with path.open("wb") as file:
        file.write(JPEG)
        file.truncate(size)
    return path
