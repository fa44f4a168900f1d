"""Drawing a report, by a program of its own and within bounds."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from infra.confined import run_confined
from infra.processes import ProcessSpec
from workers.reports.model import Report

CHUNK = 1 << 18  # bytes


class Bounds(msgspec.Struct, frozen=True):
    """500 rows take 3 s of CPU and 72 MiB, 10 s where scripts have to be shaped."""

    memory: int = 1 << 30  # bytes of addresses
    cpu_s: int = 60
    file_bytes: int = 1 << 26
    timeout_s: float = 180.0  # three times the CPU's: a worker has neighbours


class Drawn(msgspec.Struct, frozen=True):
    content: AsyncIterator[bytes]
    pages: int


@asynccontextmanager
async def drawn(report: Report, bounds: Bounds) -> AsyncGenerator[Drawn]:
    """The PDF, as long as this is open. Raises Failed for what goes out of bounds."""
    with tempfile.TemporaryDirectory(prefix="formula-report-") as name:
        folder = Path(name)
        await asyncio.to_thread((folder / "report.json").write_bytes, msgspec.json.encode(report))
        await run_confined(_spec(folder, bounds), bounds.timeout_s)
        pages = int(await asyncio.to_thread((folder / "pages").read_text))
        yield Drawn(_read(folder / "report.pdf"), pages)


def _spec(folder: Path, bounds: Bounds) -> ProcessSpec:
    """It is told nothing of the servers, nor any secret."""
    return ProcessSpec(
        name="drawing the report",
        argv=(sys.executable, "-m", "workers.reports.rendering", str(folder)),
        env={"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(folder)},
        cwd=folder,
        log_file=folder / "log",
        memory=bounds.memory,
        cpu_s=bounds.cpu_s,
        file_bytes=bounds.file_bytes,
    )


async def _read(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
