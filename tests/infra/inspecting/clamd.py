"""A real clamd with a database of one signature: started in a moment, and asked by nobody else."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.debian import program

INSTALLED_S = 300.0
STARTED_S = 30.0
POLL_S = 0.05
VIRUS = b"a virus that only these tests know"
STREAM_MOST = 4  # MiB
# User: root would be left for a user that the package makes, who cannot read the test's folder.
CONFIGURATION = """
DatabaseDirectory {folder}/database
LocalSocket {folder}/clamd.sock
TCPSocket {port}
TCPAddr 127.0.0.1
Foreground yes
User {user}
StreamMaxLength {most}M
TemporaryDirectory {folder}
LogFile {folder}/log
"""


@asynccontextmanager
async def clamd(folder: Path, port: int) -> AsyncGenerator[Path]:
    """Its socket. Skipped where it cannot be had."""
    path = await asyncio.to_thread(program, "clamd", INSTALLED_S, "clamav-daemon")
    if path is None:
        pytest.skip("clamd is missing and cannot be installed: apt-get install clamav-daemon")
    _write(folder, port)
    process = await asyncio.create_subprocess_exec(path, f"--config-file={folder}/clamd.conf")
    try:
        async with asyncio.timeout(STARTED_S):
            while not await _listens(folder / "clamd.sock"):
                assert process.returncode is None, (folder / "log").read_text()
                await asyncio.sleep(POLL_S)
        yield folder / "clamd.sock"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _write(folder: Path, port: int) -> None:
    (folder / "database").mkdir()
    # name:type (0: any):offset:hex
    (folder / "database" / "tests.ndb").write_text(f"Tests.Virus:0:*:{VIRUS.hex()}\n")
    user = "root" if os.geteuid() == 0 else os.environ.get("USER", "nobody")
    text = CONFIGURATION.format(folder=folder, port=port, user=user, most=STREAM_MOST)
    (folder / "clamd.conf").write_text(text)


async def _listens(socket: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    writer.write(b"zPING\0")
    answer = await reader.read(5)
    writer.close()
    return answer == b"PONG\0"
