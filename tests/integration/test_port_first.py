"""The API's port is open before it serves: who comes meanwhile waits, and is not refused."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from infra.folder import free_port
from infra.runtime import Runtime
from tests.faults.children import LIMIT_S, serving
from tests.infra.until import until

SLOW = ("litestar", "psycopg", "redis", "uvicorn", "structlog", "domain")
LOADED = f"import sys, api.main; sys.exit(' '.join(sys.modules.keys() & {{*{SLOW}}}))"
ASKED = b"GET /livez HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


def test_nothing_that_takes_long_is_loaded_before_the_port_is_open() -> None:
    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, check=False)
    assert loaded.stderr.decode().strip() == ""


@pytest.mark.services
async def test_whoever_comes_first_is_answered(projected: Runtime, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(projected.settings, port=free_port())
    came: list[socket.socket] = []

    def comes() -> bool:
        try:
            came.append(socket.create_connection(("127.0.0.1", settings.port), LIMIT_S))
        except ConnectionRefusedError:
            return False
        return True

    with serving("api.main", settings, tmp_path / "log"):
        await until(comes)
        with came[0] as first:
            first.sendall(ASKED)
            assert b" 200 OK" in await asyncio.to_thread(first.recv, 1_000)
