"""What `formula store` tells people; with --json the same values go out as they are."""

from collections.abc import Iterable
from datetime import datetime

from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

from api.commands.output import err, out
from infra.eventstore.checker import Report
from infra.eventstore.motion import Maintained
from infra.eventstore.stats import Count, MotionPartition, Stats

MOST_PARTITIONS = 6  # of those that hold something, the newest


def show_stats(stats: Stats) -> None:
    out.print(f"head            {stats.head:,}, {_when(stats.last_append)}")
    out.print(f"durable events  {_count(stats.events)}")
    out.print(f"motion facts    {_count(stats.motion)}")
    for rate in stats.rates:
        said = f"{rate.positions:,} positions, {rate.per_s:,.1f} a second"
        out.print(f"last {rate.window_s:>5} s    {said}")
    _table(
        "Consumers",
        (
            (one.name, f"{one.position:,}", f"{one.behind:,} behind", _when(one.updated_at))
            for one in stats.consumers
        ),
    )
    about = "" if stats.events.exact else ", estimated"
    _table(f"Events by tag{about}", ((one.tag, f"{one.events:,}") for one in stats.tags))
    about = "" if stats.events.exact else ", as found in a sample"
    _table(
        f"Longest streams{about}", ((str(one.stream), f"{one.events:,}") for one in stats.longest)
    )
    _table("Partitions of motion", map(_partition, _telling(stats.partitions)))
    wal = "not for this role" if stats.wal_bytes is None else decimal(stats.wal_bytes)
    sizes = [(one.name, decimal(one.bytes)) for one in stats.sizes]
    _table("Sizes", [*sizes, ("write-ahead log", wal)])


def show_report(report: Report) -> None:
    for one in report.findings:
        place = "log" if one.position is None else f"{one.position}"
        err.print(f"{place:>12}  {one.rule:<12} {one.detail}", markup=False, soft_wrap=True)
    read = f"{report.events:,} events and {report.motion:,} motion facts"
    said = f"{read} read, positions {report.after + 1:,} to {report.head:,}"
    if report.ok:
        out.print(f"{said}: all is well", soft_wrap=True)
    else:
        wrong = ", ".join(f"{count:,} {rule}" for rule, count in report.counts.items())
        out.print(f"{said}: found {wrong}", soft_wrap=True)


def show_maintained(done: Maintained) -> None:
    dropped = ", ".join(done.dropped) or "nothing"
    out.print(f"made {done.made} partitions, dropped {dropped}", soft_wrap=True)
    if done.held is not None:
        held, since = done.held, _when(done.held.since)
        by = f"perhaps by {held.by} (process {held.pid}, {since})" if held.pid else "by somebody"
        line = f"{held.table} is in use, {by}: run this again when that has ended"
        err.print(f"formula: {line}", style="red", markup=False, soft_wrap=True)


def _table(title: str, rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(box=None, padding=(0, 1), show_header=False, title=title, title_justify="left")
    for row in rows:
        table.add_row(*map(escape, row))
    if table.row_count:
        out.print(table)


def _partition(one: MotionPartition) -> tuple[str, ...]:
    positions = f"{one.start:,} to {one.end - 1:,}"
    return positions, f"{one.rows:,} facts", decimal(one.bytes), _when(one.newest), one.state


def _telling(partitions: list[MotionPartition]) -> list[MotionPartition]:
    return [one for one in partitions if one.newest or one.state != "attached"][-MOST_PARTITIONS:]


def _count(count: Count) -> str:
    return f"{count.rows:,}" if count.exact else f"about {count.rows:,}"


def _when(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
