"""A sealed process reads, writes and ends, and can do nothing to others."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.confined import Failed, run_confined
from infra.processes import ProcessSpec

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its filter is Linux's")


@pytest.fixture
def sealed(tmp_path: Path) -> Callable[[str], ProcessSpec]:
    def spec(line: str) -> ProcessSpec:
        first = "import os, signal, socket, threading; from infra.sealed import seal; "
        return ProcessSpec(
            name="it",
            argv=(sys.executable, "-c", f"{first}assert seal(); {line}"),
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=tmp_path,
            log_file=tmp_path / "log",
        )

    return spec


@pytest.mark.parametrize(
    "line",
    [
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "threading.Thread(target=print).start()",
        "os.kill(os.getppid(), 0)",
    ],
)
async def test_what_reaches_others_is_refused(
    line: str, sealed: Callable[[str], ProcessSpec]
) -> None:
    with pytest.raises(Failed, match=r"not permitted|can't start new thread"):
        await run_confined(sealed(line), 60.0)


async def test_files_are_written_and_it_ends(
    sealed: Callable[[str], ProcessSpec], tmp_path: Path
) -> None:
    await run_confined(sealed("open('f', 'w').write(open('/proc/self/status').read())"), 60.0)
    assert "Seccomp:\t2\n" in (tmp_path / "f").read_text()
