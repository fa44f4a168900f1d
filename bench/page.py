"""What a report says, whatever it is written in: tables and charts, ratios first."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import UNSET

from bench.charts import Chart, charts
from bench.compare import Change, Verdict, compare, differences
from bench.environment import UNKNOWN, Environment
from bench.lines import Line, lines
from bench.report import Report, Row, number, verdict
from bench.rules import advice

LINE = ("", "measured", "beside", "ratio", "wanted", "")
EVIDENCE = 5  # that much of it convinces
UNLIKE = (Verdict.NEW, Verdict.GONE, Verdict.UNMEASURED)
CHANGE = ("", "", "before", "now", "times", "")


class Table(msgspec.Struct, frozen=True):
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Section(msgspec.Struct, frozen=True):
    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()


class Run(msgspec.Struct, frozen=True):
    """A report, and the run before it where one is kept."""

    report: Report
    before: Report | None = None


def page(runs: Sequence[Run]) -> list[Section]:
    reports = [run.report for run in runs]
    whole = [
        Section("What was found", tuple(_summary(reports))),
        _table("Ratios", ("suite", *LINE), (*_ratios(reports),)),
        _table("Targets", ("suite", "", "measured", "wanted", ""), (*_targets(reports),)),
        _table("What to change", ("suite", "", "because", "do"), (*_advice(reports),)),
    ]
    parts = [section for run in runs for section in _suite(run)]
    return [one for one in (*whole, *parts) if one.text or one.tables]


def place(where: Environment) -> str:
    """On what it was measured, in one line."""
    quick = " A quick run: figures mean little." if where.quick else ""
    cpu = "" if where.cpu == UNKNOWN else f" of {where.cpu}"
    others = "" if where.valkey == UNKNOWN else f", Valkey {where.valkey}, Node {where.node}"
    return (
        f"{where.at}, commit {where.commit}, {where.cores} cores{cpu}, {where.memory_gib:g} GiB,"
        f" Linux {where.kernel}, Python {where.python}, PostgreSQL {where.postgres}{others},"
        f" fdatasync {where.fdatasync_ms:g} ms, load {where.load_1m:g} before.{quick}"
    )


def measured(row: Row) -> str:
    """The median and, where rounds differed, the least and the most."""
    if row.value is None:
        return "not measured"
    spread = ""
    if row.low is not None and row.high is not None and row.low != row.high:
        spread = f" ({number(row.low)} to {number(row.high)})"
    return f"{number(row.value)} {row.unit}{spread}"


def cells(line: Line) -> tuple[str, ...]:
    row = line.row
    others = [f"{name}: {measured(one)}" for name, one in line.beside]
    if row.against and all(name != row.against for name, _ in line.beside):
        others.append(row.against)
    wanted = "" if row.target is UNSET else row.target
    return (row.name, measured(row), "; ".join(others), ratio(row), wanted, verdict(row))


def _note(line: Line) -> str:
    own = [] if line.row.note is UNSET else [line.row.note]
    return "; ".join(
        [*own, *(f"{name}: {row.note}" for name, row in line.beside if row.note is not UNSET)]
    )


def ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    if row.ratio_low is UNSET or row.ratio_high is UNSET or row.ratio_low == row.ratio_high:
        return f"{row.ratio:.2f}"
    return f"{row.ratio:.2f} ({row.ratio_low:.2f} to {row.ratio_high:.2f})"


def _table(title: str, header: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> Section:
    return Section(title, tables=(Table(header, rows),) if rows else ())


def _summary(reports: Sequence[Report]) -> Iterator[str]:
    rows = [(report.suite, row) for report in reports for row in report.rows]
    wanted = [row for _, row in rows if row.ok is not UNSET]
    met = sum(row.ok is True for row in wanted)
    yield f"{met} of {len(wanted)} targets are met." if wanted else "No targets are set."
    failed: dict[tuple[str, str], list[str]] = {}
    for suite, row in rows:
        if row.errors:  # one load makes many rows
            why = verdict(row) if row.note is UNSET else f"{verdict(row)}: {row.note}"
            failed.setdefault((suite, why), []).append(row.name)
    for (suite, why), (name, *others) in failed.items():
        also = f" and {len(others)} more" if others else ""
        yield f"{suite}, {name}{also}: {why}"
    for suite, row in rows:
        if row.skipped:
            yield f"{suite}, {row.name}: {row.note}"


def _ratios(reports: Sequence[Report]) -> Iterator[tuple[str, ...]]:
    for report in reports:
        for line in lines(report.rows):
            if line.row.ratio is not None:
                yield (report.suite, *cells(line))


def _targets(reports: Sequence[Report]) -> Iterator[tuple[str, ...]]:
    """Those that were missed first."""
    found = [
        (report.suite, row) for report in reports for row in report.rows if row.target is not UNSET
    ]
    for suite, row in sorted(found, key=lambda one: one[1].ok is True):
        value = measured(row) if row.against is None else f"{ratio(row)} x {row.against}"
        yield (suite, row.name, value, row.target or "", verdict(row))


def _advice(reports: Sequence[Report]) -> Iterator[tuple[str, ...]]:
    for report in reports:
        for one in advice(report):
            more = len(one.evidence) - EVIDENCE
            because = (*one.evidence[:EVIDENCE], *([f"and {more} more"] if more > 0 else []))
            yield (report.suite, one.title, "; ".join(because), one.change)


def _suite(run: Run) -> Iterator[Section]:
    report = run.report
    took = "" if report.took_s is UNSET else f" It took {report.took_s:.0f} s."
    rows = tuple((*cells(line), _note(line)) for line in lines(report.rows))
    about = (place(report.environment) + took,)
    tables = (Table((*LINE, "note"), rows),)
    yield Section(f"Suite {report.suite}", about, tables, tuple(charts(report)))
    if run.before is not None:
        yield compared(run.before, report)


def compared(before: Report, after: Report) -> Section:
    """What counts is shown; what did not change by more than both runs vary is counted."""
    found = compare(before, after)
    shown = tuple(_changed(one) for one in found if one.counts)
    once = [one for one in found if one.verdict is Verdict.UNKNOWN and not one.counts]
    text = (
        f"Before: {place(before.environment)}",
        *(f"Other than then: {one}" for one in differences(before.environment, after.environment)),
        f"{len(shown)} of {len(found)} rows changed by more than both runs vary.",
        *(f"{one.name}: {one.verdict.value}" for one in found if one.verdict in UNLIKE),
        *([f"{len(once)} rows were played once: {_once(once)}"] if once else []),
    )
    tables = (Table(CHANGE, shown),) if shown else ()
    return Section(f"Suite {after.suite}: since the run before", text, tables)


def _once(found: Sequence[Change]) -> str:
    """No spread to judge them by, so they are but told."""
    return "; ".join(
        f"{one.name} {number(one.before)} -> {number(one.after)} {one.of}" for one in found
    )


def _changed(change: Change) -> tuple[str, ...]:
    said = change.verdict.value + (", its target is missed now" if change.now_missed else "")
    factor = "" if change.factor is None else f"{change.factor:.2f}"
    return (change.name, change.of, number(change.before), number(change.after), factor, said)
