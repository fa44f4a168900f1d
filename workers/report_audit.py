"""An extract of the audit: the events that a filter finds, up to the newest of now."""

from collections import Counter, deque
from collections.abc import AsyncIterator
from datetime import UTC
from typing import TypeAlias
from uuid import UUID, uuid5

import msgspec

from domain.audit import AUDIT, AuditFilter, NoteAuditRead, reads_stream
from domain.job_args import ReportAudit, ReportFormat
from infra.runtime import Origin
from projections.audit import AuditRow
from projections.audit_list import next_page
from projections.read import reading
from projections.rows import fetch_all
from workers.model import REPORTS, Context, Job
from workers.reports.making import (
    TIMEOUT_S,
    Made,
    hand_over,
    keep_paper,
    keep_sheet,
    moment,
    owner,
)
from workers.reports.model import MOST_ROWS, Column, Figure, Listing, Report, counted, short
from workers.reports.sheets import Row

COLUMNS = AuditRow.__struct_fields__
TOP = 30  # people, kinds
NAMES = "SELECT id, name FROM users WHERE id = ANY(%(ids)s)"

Page: TypeAlias = list[AuditRow]


class _Named(msgspec.Struct, frozen=True):
    id: UUID
    name: str


class Sum:
    """What a report on paper says of all events, and the newest of them; CSV needs the count."""

    def __init__(self) -> None:
        self.count = 0
        self.types: Counter[str] = Counter()
        self.actors: Counter[UUID | None] = Counter()
        self.newest: deque[AuditRow] = deque(maxlen=MOST_ROWS)

    def add(self, rows: Page) -> None:
        self.count += len(rows)
        self.types.update(row.type for row in rows)
        self.actors.update(row.actor for row in rows)
        self.newest.extend(rows)


async def run(context: Context, args: ReportAudit) -> Made:
    user = await owner(context, args)
    async with moment(context.runtime, "audit") as now:
        head, at = now.position, now.at
    total = Sum()
    pages = _pages(context, args.filter, head)
    name = f"audit {at:%Y-%m-%d %H.%M}"
    if args.format is ReportFormat.CSV:
        made = await keep_sheet(context, name, COLUMNS, _rows(pages, total))
    else:
        async for page in pages:
            total.add(page)
        about = (*_asked(args.filter), Figure("Asked for by", user.name))
        report = Report(
            title="Audit",
            about=about,
            position=head,
            made_at=at,
            figures=(Figure("Events", str(total.count)),),
            listings=await _listings(context, total),
        )
        made = await keep_paper(context, name, report)
    await _note(context, args.filter, total.count)
    return await hand_over(context, made, "Extract of the audit")


async def _pages(context: Context, wanted: AuditFilter, head: int) -> AsyncIterator[Page]:
    """Oldest first; each with a connection of its own, for nothing that is read changes."""
    after: int | None = 0
    while after is not None:
        async with reading(context.runtime, min_position=head, group="audit", replica=True) as db:
            found = await next_page(db, wanted, after, head)
        yield found.rows
        after = found.next
        await context.report(head if after is None else after, head)


async def _rows(pages: AsyncIterator[Page], total: Sum) -> AsyncIterator[list[Row]]:
    async for page in pages:
        total.count += len(page)
        yield [msgspec.structs.astuple(row) for row in page]


async def _note(context: Context, wanted: AuditFilter, count: int) -> None:
    """Written down before anybody sees it, once; who reads is who asked."""
    origin = Origin(
        context.owner, correlation_id=context.correlation_id, causation=context.position
    )
    command = NoteAuditRead(what="export", filter=wanted, of="report", count=count)
    stream, once = reads_stream(context.owner), uuid5(context.job, "audit read")
    await context.runtime.execute(origin, AUDIT, stream, command, command_id=once, blind=True)


def _asked(wanted: AuditFilter) -> tuple[Figure, ...]:
    given = {name: one for name, one in msgspec.structs.asdict(wanted).items() if one is not None}
    if not given:
        return (Figure("Filter", "none: all events"),)
    return tuple(Figure(name.replace("_", " "), str(one)) for name, one in given.items())


async def _listings(context: Context, total: Sum) -> tuple[Listing, ...]:
    actors = total.actors.most_common(TOP)
    ids = {row.actor for row in total.newest} | {actor for actor, _ in actors}
    async with reading(context.runtime) as db:
        found = await fetch_all(db, _Named, NAMES, {"ids": [one for one in ids if one]})
    names: dict[UUID | None, str] = {None: "(system)"} | {one.id: one.name for one in found}
    return (
        counted("By type", total.types.most_common(TOP), TOP),
        counted("By person", [(names.get(actor, str(actor)), n) for actor, n in actors], TOP),
        _newest(total, names),
    )


def _newest(total: Sum, names: dict[UUID | None, str]) -> Listing:
    columns = (Column("Position", 13), Column("When (UTC)", 20), Column("Who", 19))
    shown = len(total.newest)
    return Listing(
        "Events, newest first",
        (*columns, Column("Type", 24), Column("Details", 24)),
        tuple(
            (
                str(row.position),
                f"{row.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                names.get(row.actor, str(row.actor)),
                row.type,
                short(row.data),
            )
            for row in reversed(total.newest)
        ),
        f"The newest {shown} of {total.count}; the CSV has all." if shown < total.count else "",
    )


JOB = Job("report_audit", REPORTS, ReportAudit, run, timeout_s=TIMEOUT_S)
