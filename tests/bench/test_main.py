"""python -m bench: what it takes, and that all goes on where one fails."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.measuring import every
from bench.readme import BEGIN, END, PUBLISHED, README, chapter, replaced, reports, rewrite
from bench.stored import save
from bench.suites import ABOUT, ALONE, SHORT, SUITES
from tests.bench.results import BESIDE, OURS, PEER, WHERE, report


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "bench", *words]
    return subprocess.run(argv, check=False, capture_output=True, text=True)


def test_without_a_name_all_suites_are_told() -> None:
    done = bench()
    assert done.returncode == 0
    assert all(f"\n{name}: " in f"\n{done.stdout}" for name in SUITES)
    assert len(ABOUT) == len(SUITES) == len(SHORT) + len(ALONE)


def test_what_fails_does_not_keep_the_others_from_running(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert every(("no suite", "another"), quick=True) == 1
    said = capfd.readouterr().err
    assert "[1/2] no suite; 2 left" in said
    assert "no suite has no result: exit code 2" in said
    assert "[2/2] another; 1 left" in said
    assert "with errors: no suite, another" in said


def test_two_results_are_compared(tmp_path: Path) -> None:
    later = msgspec.structs.replace(WHERE, at="2030-01-03T00:00:00+00:00")
    faster = msgspec.structs.replace(OURS, value=9_000.0, low=8_000.0, high=9_100.0)
    first, second = save(report(OURS), tmp_path), save(report(faster, where=later), tmp_path)
    done = bench("compare", str(first), str(second))
    assert done.returncode == 0
    assert "| ours | events/s | 1,500 | 9,000 | 6.00 | better |" in done.stdout


def test_results_of_different_suites_and_what_is_none_are_refused(tmp_path: Path) -> None:
    first, second = save(report(OURS), tmp_path), save(report(OURS, suite="jobs"), tmp_path)
    assert "cannot be compared" in bench("compare", str(first), str(second)).stderr
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    done = bench("compare", str(first), str(broken))
    assert (done.returncode, done.stderr.startswith("bench: no result: ")) == (1, True)


def test_readme_is_as_the_published_results_make_it() -> None:
    text = README.read_text()
    assert reports()
    assert replaced(text, chapter(reports())) == text


def test_a_result_is_published_in_its_suites_place(tmp_path: Path) -> None:
    published, page = tmp_path / "published.json", tmp_path / "README.md"
    published.write_bytes(PUBLISHED.read_bytes())
    page.write_text(f"before\n{BEGIN}old{END}\nafter\n")
    paths = [save(report(BESIDE, PEER, suite=suite), tmp_path) for suite in ("jobs", "api")]
    assert rewrite(paths, published, page) == 0
    suites = {"api", *(one.suite for one in reports())}
    assert [one.suite for one in reports(published)] == [one for one in SUITES if one in suites]
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n### ")
    assert "### `make bench SUITE=api`\n\nMeasured 2030-01-02" in text
    assert "| beside | 1,500 events/s (1,450 to 1,550) | peer: 1,000 events/s" in text
    assert text.endswith(f"{END}\nafter\n")
    with pytest.raises(ValueError, match="README has no"):
        replaced("no markers", "x")
