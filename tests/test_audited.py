"""An audit that reached nobody is none."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FINE = '{"name": "a", "version": "1", "vulns": []}'
SKIPPED = '{"name": "b", "skip_reason": "Dependency not found on PyPI and could not be audited"}'
BAD = """{"name": "c", "version": "1.2", "vulns":
    [{"id": "PYSEC-1", "fix_versions": ["1.3"], "aliases": [], "description": "x"}]}"""

CASES: dict[str, tuple[list[str], int, str]] = {
    "all is well": ([FINE], 0, "1 audited, no vulnerability is known"),
    "one is known": ([FINE, BAD], 1, "c 1.2: PYSEC-1, fixed in 1.3"),
    "one is known, and others are not": ([SKIPPED, BAD], 1, "c 1.2: PYSEC-1, fixed in 1.3"),
    "some are not known": ([FINE, SKIPPED], 2, "not audited: 1 of 2 could not be looked up"),
    "nothing was asked": ([], 2, "not audited: there is no report"),
}


def judge(text: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.audited"],
        input=text,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    return ended.returncode, ended.stdout.strip()


@pytest.mark.parametrize("case", CASES)
def test_the_exit_code_and_a_line_say_how_it_is(case: str) -> None:
    dependencies, code, line = CASES[case]
    assert judge(f'{{"dependencies": [{", ".join(dependencies)}], "fixes": []}}') == (code, line)


def test_no_report_at_all_is_no_audit() -> None:
    assert judge("") == (2, "not audited: there is no report")
