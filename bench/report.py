"""What a suite found: rows with ratios and targets, as a table and as JSON."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from bench.environment import Environment

SKIPPED = "skipped: "  # how the note of a peer begins that could not play
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


class Place(msgspec.Struct, frozen=True):
    """Where a row's value stands among those of others: a point of a line of a chart."""

    chart: str
    line: str
    x: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line. A value of None could not be measured: `note` says why.

    `ratio_low` and `ratio_high` are of the rounds, in each of which both sides played. `cdf`:
    latencies in ms, and how much of 1 was no later.
    """

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
    ratio_low: float | UnsetType = UNSET
    ratio_high: float | UnsetType = UNSET
    place: Place | UnsetType = UNSET
    cdf: Sequence[tuple[float, float]] | UnsetType = UNSET

    @property
    def skipped(self) -> bool:
        return self.note is not UNSET and self.note.startswith(SKIPPED)


class Report(msgspec.Struct, frozen=True):
    suite: str
    environment: Environment
    rows: Sequence[Row]
    took_s: float | UnsetType = UNSET

    @property
    def failed(self) -> bool:
        """Something went wrong in the measuring; a target that was missed is no such thing."""
        return any(row.errors for row in self.rows)


def judged(row: Row, target: Target) -> Row:
    """The row with the target and whether it is met; what was not measured is not."""
    value = row.value if row.against is None else row.ratio
    ok = value is not None and not row.errors and target.met(value)
    return msgspec.structs.replace(row, target=str(target), ok=ok)


def placed(row: Row, chart: str, line: str, x: float) -> Row:
    return msgspec.structs.replace(row, place=Place(chart, line, x))


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


def verdict(row: Row) -> str:
    if row.errors:
        return f"{row.errors} ERRORS"
    return "" if row.ok is UNSET else "ok" if row.ok else "MISSED"


def _cells(row: Row) -> tuple[str, ...]:
    spread = f"{number(row.low)} - {number(row.high)}" if row.low is not None else ""
    return (
        row.name,
        f"{number(row.value)} {row.unit}",
        spread,
        row.against or "",
        "" if row.ratio is None else f"{row.ratio:.2f}",
        row.target or "",
        verdict(row),
    )


def _notes(report: Report) -> list[str]:
    notes = [f"{row.name}: {row.note}" for row in report.rows if row.note is not UNSET]
    return ["", *dict.fromkeys(notes)] if notes else []


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
