"""A public conformance suite: the Autobahn Testsuite's own cases, driven by kosoku (PyPI).

Autobahn's runner needs Python 2. kosoku is no dependency of ours: it lives in a folder of its own.
"""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

PINNED = Path(__file__).with_name("kosoku.txt")
RUN = "from kosoku._cli import main; main()"
INSTALLED_S = 60.0
AT_ONCE = 4
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}  # the suite's words for what conforms


class Verdict(msgspec.Struct, frozen=True, rename="camel"):
    """On one case: on what was said, and on how it ended."""

    behavior: str
    behavior_close: str
    remote_close_code: int | None = None

    @property
    def is_good(self) -> bool:
        return self.behavior in GOOD and self.behavior_close in GOOD


def installed(folder: Path) -> Path:
    """The folder that has it, filled when it is empty. Skips where the package cannot be had."""
    if not (folder / "kosoku").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "-q", "--require-hashes", "--no-deps"]
        done = subprocess.run(
            [*pip, "--target", str(folder), "-r", str(PINNED)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALLED_S,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"the conformance suite cannot be installed: {done.stderr.strip()[-200:]}")
    return folder


async def verdicts(
    suite: Path, url: str, reports: Path, cases: Sequence[str], but: Sequence[str] = ()
) -> dict[str, Verdict]:
    """By case; the reports stay in `reports`."""
    chosen = [word for case in cases for word in ("-i", case)]
    chosen += [word for case in but for word in ("-x", case)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN, "-p", str(AT_ONCE), "-o", str(reports), *chosen, url),
        env={"PYTHONPATH": str(suite)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert (reports / "index.json").exists(), said.decode()
    found = (reports / "index.json").read_bytes()
    agents = msgspec.json.decode(found, type=dict[str, dict[str, Verdict]])
    return {case: one for agent in agents.values() for case, one in agent.items()}
