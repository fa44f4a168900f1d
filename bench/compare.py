"""Two runs of a suite beside each other: what changed by more than both of them vary."""

from collections.abc import Iterator
from enum import StrEnum

import msgspec
from msgspec import UNSET

from bench.environment import Environment
from bench.report import Report, Row

WITHOUT = {"at", "packages", "load_1m", "fdatasync_ms"}  # these differ from one run to the next
FSYNC_TIMES = 1.5  # that a disk may be slower or faster and still be the same


class Verdict(StrEnum):
    BETTER = "better"
    WORSE = "worse"
    CHANGED = "changed"  # nothing says which way is better
    SAME = "within the spread"
    UNKNOWN = "one round: no spread to judge by"
    UNMEASURED = "not measured in both"
    NEW = "new"
    GONE = "gone"


class Change(msgspec.Struct, frozen=True):
    """A row of both runs. `of`: "ratio" where both have one with its spread, else the unit."""

    name: str
    of: str
    before: float | None
    after: float | None
    verdict: Verdict
    now_missed: bool = False  # its target was met

    @property
    def counts(self) -> bool:
        return self.now_missed or self.verdict in (Verdict.BETTER, Verdict.WORSE, Verdict.CHANGED)

    @property
    def factor(self) -> float | None:
        return self.after / self.before if self.before and self.after is not None else None


class _Span(msgspec.Struct, frozen=True):
    """A figure with the least and the most of its rounds."""

    of: str
    value: float
    low: float
    high: float

    @property
    def one_round(self) -> bool:
        return self.low == self.high


def compare(before: Report, after: Report) -> list[Change]:
    """As the later run orders them; what is gone comes last."""
    rows = {row.name: row for row in before.rows}
    names = {row.name for row in after.rows}
    gone = [row for row in before.rows if row.name not in names]
    return [
        *(_change(rows[row.name], row) if row.name in rows else _new(row) for row in after.rows),
        *(Change(row.name, row.unit, row.value, None, Verdict.GONE) for row in gone),
    ]


def differences(before: Environment, after: Environment) -> Iterator[str]:
    """What else is not as it was: a change may come from there."""
    for name in before.__struct_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if name not in WITHOUT and old != new:
            yield f"{name} {old} -> {new}"
    for package in sorted(before.packages.keys() | after.packages.keys()):
        old, new = before.packages.get(package, "none"), after.packages.get(package, "none")
        if old != new:
            yield f"{package} {old} -> {new}"
    slower = after.fdatasync_ms / before.fdatasync_ms if before.fdatasync_ms else 1.0
    if not 1 / FSYNC_TIMES <= slower <= FSYNC_TIMES:
        yield f"fdatasync {before.fdatasync_ms} ms -> {after.fdatasync_ms} ms"


def more_is_better(row: Row, of: str) -> bool | None:
    """By the target where there is one, else by the unit, of which a ratio is as well."""
    if row.target is not UNSET and (of == "ratio") == (row.against is not None):
        signs = {sign for sign in (">=", "<=") if sign in row.target}
        return None if len(signs) > 1 else ">=" in signs
    if row.unit.endswith("/s"):
        return True
    return False if row.unit in {"ms", "s", "µs", "MB", "MiB", "KiB", "CPU s", "frames"} else None


def _change(before: Row, after: Row) -> Change:
    old, new = _span(before, after), _span(after, before)
    now_missed = before.ok is True and after.ok is False
    if old is None or new is None:
        unmeasured = Verdict.UNMEASURED
        return Change(after.name, after.unit, before.value, after.value, unmeasured, now_missed)
    verdict = _verdict(old, new, more_is_better(after, new.of))
    return Change(after.name, new.of, old.value, new.value, verdict, now_missed)


def _verdict(old: _Span, new: _Span, upwards: bool | None) -> Verdict:
    if old.one_round and new.one_round and old.value != new.value:
        return Verdict.UNKNOWN
    if old.low <= new.high and new.low <= old.high:
        return Verdict.SAME
    if upwards is None:
        return Verdict.CHANGED
    return Verdict.BETTER if (new.value > old.value) == upwards else Verdict.WORSE


def _new(row: Row) -> Change:
    return Change(row.name, row.unit, None, row.value, Verdict.NEW)


def _span(row: Row, other: Row) -> _Span | None:
    """Ratios, which the machine's mood moves less, where both rows know theirs by the round."""
    low, high = row.ratio_low, row.ratio_high
    alike = row.against == other.against and other.ratio_low is not UNSET
    if alike and row.ratio is not None and low is not UNSET and high is not UNSET:
        return _Span("ratio", row.ratio, low, high)
    if row.value is None or row.low is None or row.high is None:
        return None
    return _Span(row.unit, row.value, row.low, row.high)
