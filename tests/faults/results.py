"""What the fault tests counted: kept as JSON, and printed as a table after `make faults`."""

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from rich.table import Table

import tests
from tests.faults.witness import Checked

FILE = Path(tests.__file__).parents[1] / "bench" / "results" / "faults.json"
WIDTH = 150  # characters of the table
FAULTS = "faults"  # of a test's counts: how often it did its worst


class Counts:
    """Where a test leaves what it counted; it travels with the test's report."""

    def __init__(self, record_property: Callable[[str, object], None]) -> None:
        self._record = record_property

    def add(self, faults: int, checked: Checked | None = None) -> None:
        self._record(FAULTS, faults)
        if checked is not None:
            for name, value in msgspec.structs.asdict(checked).items():
                self._record(name, value)


class Row(msgspec.Struct, frozen=True):
    """One test."""

    name: str
    ok: bool | None  # None: skipped
    seconds: float
    counts: dict[str, int]
    note: str = ""  # why it was skipped


class Results(msgspec.Struct, frozen=True):
    suite: str
    environment: dict[str, str]
    rows: list[Row]


def row(report: pytest.TestReport) -> Row:
    name = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
    counts = {key: value for key, value in report.user_properties if isinstance(value, int)}
    return Row(
        name=name,
        ok=None if report.skipped else report.passed,
        seconds=round(report.duration, 1),
        counts=counts,
        note=str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else "",
    )


def keep(rows: Sequence[Row]) -> Path:
    """Store them in place of the last ones."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    results = Results("faults", environment(), list(rows))
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    return FILE


def environment() -> dict[str, str]:
    return {
        "cpus": str(os.cpu_count()),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def table(rows: Iterable[Row]) -> str:
    columns = [FAULTS, *Checked.__struct_fields__]
    shown = Table("test", *(name.replace("_", " ") for name in columns), "s", "", box=None)
    for one in rows:
        counts = [f"{one.counts[name]:,}" if name in one.counts else "" for name in columns]
        shown.add_row(one.name, *counts, f"{one.seconds:.1f}", verdict(one))
    text = StringIO()
    Console(file=text, width=WIDTH, markup=False).print(shown)
    return text.getvalue()


def verdict(one: Row) -> str:
    return f"skipped: {one.note}" if one.ok is None else "ok" if one.ok else "FAILED"
