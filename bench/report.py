"""What a suite found: rows with ratios and targets, as a table and as JSON."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from bench.environment import Environment

RESULTS = Path(__file__).parent / "results"
HEADER = ("", "median", "min - max", "against", "ratio", "target", "")


class Target(msgspec.Struct, frozen=True):
    """A bound of a row's ratio where it has one, else of its value."""

    least: float | None = None
    most: float | None = None

    def met(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )

    def __str__(self) -> str:
        bounds = ((">=", self.least), ("<=", self.most))
        return " ".join(f"{sign} {bound:,g}" for sign, bound in bounds if bound is not None)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line. A value of None could not be measured: `note` says why."""

    name: str
    value: float | None
    unit: str
    low: float | None = None  # of the rounds
    high: float | None = None
    against: str | None = None
    ratio: float | None = None
    target: str | UnsetType = UNSET
    ok: bool | UnsetType = UNSET
    errors: int = 0
    note: str | UnsetType = UNSET


class Report(msgspec.Struct, frozen=True):
    suite: str
    environment: Environment
    rows: Sequence[Row]

    @property
    def failed(self) -> bool:
        """Something went wrong in the measuring; a target that was missed is no such thing."""
        return any(row.errors for row in self.rows)


def judged(row: Row, target: Target) -> Row:
    """The row with the target and whether it is met; what was not measured is not."""
    value = row.value if row.against is None else row.ratio
    ok = value is not None and not row.errors and target.met(value)
    return msgspec.structs.replace(row, target=str(target), ok=ok)


def table(report: Report) -> str:
    """One line for each row, aligned; what needs saying follows below."""
    lines = [HEADER, *(_cells(row) for row in report.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    text = [
        "  ".join(
            cell.ljust(width) if column in {0, 3, 5, 6} else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*text, *_notes(report)])


def _cells(row: Row) -> tuple[str, ...]:
    spread = f"{number(row.low)} - {number(row.high)}" if row.low is not None else ""
    verdict = "" if row.ok is UNSET else "ok" if row.ok else "MISSED"
    return (
        row.name,
        f"{number(row.value)} {row.unit}",
        spread,
        row.against or "",
        "" if row.ratio is None else f"{row.ratio:.2f}",
        row.target or "",
        f"{row.errors} ERRORS" if row.errors else verdict,
    )


def _notes(report: Report) -> list[str]:
    notes = [f"{row.name}: {row.note}" for row in report.rows if row.note is not UNSET]
    return ["", *dict.fromkeys(notes)] if notes else []


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def save(report: Report, folder: Path = RESULTS) -> Path:
    """Kept beside earlier ones, named by suite and time."""
    folder.mkdir(exist_ok=True)
    time = report.environment.at.replace("+00:00", "Z").replace(":", "")
    path = folder / f"{report.suite}-{time}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return path
