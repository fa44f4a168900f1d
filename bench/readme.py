"""README's figures, written from the results that are published beside the suites."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.lines import lines
from bench.page import LINE, Table, cells, place
from bench.report import Report
from bench.stored import load
from bench.suites import SUITES
from bench.written import table_lines

PUBLISHED = Path(__file__).parent / "published.json"
README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- python -m bench readme -->", "<!-- up to here -->"


def rewrite(paths: Sequence[Path], published: Path = PUBLISHED, page: Path = README) -> int:
    """With results: they are published, each in the place of its suite's."""
    if paths:
        given = {report.suite: report for report in map(load, paths)}
        found = {report.suite: report for report in reports(published)} | given
        ordered = [found[suite] for suite in SUITES if suite in found]
        published.write_bytes(msgspec.json.format(msgspec.json.encode(ordered)) + b"\n")
    text = page.read_text()
    page.write_text(replaced(text, chapter(reports(published))))
    return 0


def reports(published: Path = PUBLISHED) -> list[Report]:
    if not published.exists():
        return []
    return msgspec.json.decode(published.read_bytes(), type=list[Report])


def chapter(found: Sequence[Report]) -> str:
    """Everything that was measured, and on what."""
    return "\n\n".join(part for report in found for part in _parts(report))


def _parts(report: Report) -> list[str]:
    table = Table(LINE, tuple(cells(line) for line in lines(report.rows)))
    errors = [f"{row.name}: {row.note}" for row in report.rows if row.errors or row.skipped]
    return [
        f"### `make bench SUITE={report.suite}`",
        f"Measured {place(report.environment)}",
        "\n".join(table_lines(table)),
        *(["Errors: " + "; ".join(dict.fromkeys(errors)) + "."] if errors else []),
    ]


def replaced(text: str, new: str) -> str:
    """Raises ValueError where the markers are not there."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README has no {BEGIN} ... {END}")
    return f"{before}{begin}\n\n{new}\n\n{end}{after}"
