"""The verdict on an upload: by a program of its own and within bounds, then by a scanner."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from domain.errors import Invalid
from infra.confined import Failed, run_confined
from infra.inspecting.clamav import scan
from infra.inspecting.kinds import Kind
from infra.inspecting.model import Clean, Code, Rejected, Verdict
from infra.inspecting.names import proper
from infra.processes import ProcessSpec
from infra.settings import Settings

CHUNK = 1 << 18  # bytes
SAID = 64 << 10  # bytes that it may say


class Bounds(msgspec.Struct, frozen=True):
    """The file is mapped beside `memory`; 100 MiB of any kind take less than half of the CPU."""

    memory: int = 1 << 30  # bytes of addresses
    cpu_s: int = 60
    timeout_s: float = 180.0  # three times the CPU's: a worker has neighbours


BOUNDS = Bounds()


async def judge(
    settings: Settings, path: Path, name: str, kind: Kind, bounds: Bounds = BOUNDS
) -> Verdict:
    """Raises clamav.Unavailable where the scanner gives no verdict: to be tried again."""
    verdict = await _inspected(path, name, kind, bounds)
    if isinstance(verdict, Clean) and settings.clamav_url:
        return await scan(settings.clamav_url, _read(path))
    return verdict


async def _inspected(path: Path, name: str, kind: Kind, bounds: Bounds) -> Verdict:
    try:
        name = proper(name)  # no program takes every text as an argument
    except Invalid as refused:
        return Rejected(Code(refused.code), str(refused.detail.get("why", "")))
    with tempfile.TemporaryDirectory(prefix="formula-inspect-") as folder:
        spec = await asyncio.to_thread(_spec, Path(folder), path, name, kind, bounds)
        try:
            await run_confined(spec, bounds.timeout_s)
            said = await asyncio.to_thread((Path(folder) / "log").read_bytes)
            return msgspec.json.decode(said.splitlines()[-1], type=Verdict)
        except Failed as failed:
            return Rejected(Code.UNINSPECTABLE, str(failed))


def _spec(folder: Path, path: Path, name: str, kind: Kind, bounds: Bounds) -> ProcessSpec:
    """It is told nothing of the servers, nor any secret."""
    return ProcessSpec(
        name="inspecting",
        argv=(
            *(sys.executable, "-m", "infra.inspecting.main"),
            *(str(path.resolve()), name, kind.content_type),
        ),
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUTF8": "1", "TMPDIR": str(folder)},
        cwd=folder,
        log_file=folder / "log",
        memory=bounds.memory + path.stat().st_size,
        cpu_s=bounds.cpu_s,
        file_bytes=SAID,
    )


async def _read(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
