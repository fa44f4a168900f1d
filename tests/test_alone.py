"""Only what passes alone is excused, and only when little else had failed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BARE = {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
RUN = """
import pytest
from tests.alone import Alone

def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", default=None):
        config.pluginmanager.register(Alone())
"""
TESTS = """
import os
import pytest

@pytest.mark.xdist_group("a b")
@pytest.mark.parametrize("path", ["a@b::c [d] "])
def test_that_fails_beside_others(path):
    assert "PYTEST_XDIST_WORKER" not in os.environ

@pytest.mark.parametrize("n", range(int(os.environ["BROKEN"])))
def test_broken(n):
    assert n < 0

@pytest.mark.parametrize("n", range(int(os.environ["BUSY"])))
def test_more_that_fail_beside_others(n):
    assert "PYTEST_XDIST_WORKER" not in os.environ
"""


@pytest.mark.parametrize(
    ("broken", "busy", "code", "again"),
    [(0, 1, 0, ["2 passed"]), (1, 0, 1, ["1 failed, 1 passed"]), (0, 5, 1, [])],
    ids=["passes alone", "fails alone", "too many"],
)
def test_what_fails_runs_alone(
    tmp_path: Path, broken: int, busy: int, code: int, again: list[str]
) -> None:
    (tmp_path / "conftest.py").write_text(RUN)
    (tmp_path / "test_it.py").write_text(TESTS)
    kept = {name: word for name, word in os.environ.items() if not name.startswith("PYTEST_")}
    ran = subprocess.run(
        (sys.executable, "-m", "pytest", "-p", "xdist", "-n", "1", "--dist", "loadgroup"),
        cwd=tmp_path,
        env={**kept, **BARE, "BROKEN": str(broken), "BUSY": str(busy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == code, ran.stdout
    assert ("failed beside other tests, passed alone" in ran.stdout) == (code == 0)
    assert re.findall(r"=+ (\d[^=]* passed)[^=]* in [\d.]+s =+", ran.stdout) == again
