"""What runs within bounds ends, by itself or not."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.confined import Failed, run_confined
from infra.processes import ProcessSpec
from tests.infra.until import until


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., ProcessSpec]:
    """A line of Python in the test's folder."""

    def spec(line: str, **bounds: Any) -> ProcessSpec:
        return ProcessSpec(
            name="it",
            argv=(sys.executable, "-c", line),
            env={"PATH": os.defpath},
            cwd=tmp_path,
            log_file=tmp_path / "log",
            **bounds,
        )

    return spec


@pytest.mark.parametrize(
    ("line", "bounds", "why"),
    [
        ("bytearray(1 << 28)", {"memory": 1 << 27}, "MemoryError"),
        ("while True: pass", {"cpu_s": 1}, "SIG"),
        (
            "with open('f', 'wb') as f: f.write(bytes(1 << 20))",
            {"file_bytes": 1_000},
            "File too large",
        ),
        ("raise SystemExit('so it is')", {}, "exit code 1: so it is"),
    ],
)
async def test_what_goes_out_of_bounds_fails_and_says_why(
    line: str, bounds: dict[str, int], why: str, program: Callable[..., ProcessSpec]
) -> None:
    with pytest.raises(Failed, match=why):
        await run_confined(program(line, **bounds), 60.0)


async def test_what_stays_within_them_does_its_work(
    program: Callable[..., ProcessSpec], tmp_path: Path
) -> None:
    spec = program("open('f', 'w').write('x')", memory=1 << 28, cpu_s=10, file_bytes=1_000)
    await run_confined(spec, 60.0)
    assert (tmp_path / "f").read_text() == "x"


async def test_what_is_late_or_called_off_is_gone(
    program: Callable[..., ProcessSpec], tmp_path: Path
) -> None:
    spec = program("import os, time; open('pid', 'w').write(f'{os.getpid()}\\n'); time.sleep(1000)")
    pid = tmp_path / "pid"

    def written() -> bool:
        return pid.exists() and pid.read_text().endswith("\n")

    with pytest.raises(Failed, match="not done within"):
        await run_confined(spec, 0.1)
    pid.unlink(missing_ok=True)
    running = asyncio.create_task(run_confined(spec, 60.0))
    await until(written)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not psutil.pid_exists(int(pid.read_text()))
