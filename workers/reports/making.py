"""What all reports do: ask again who may, read one moment, keep the file, tell its owner."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID, uuid5

import msgspec

from domain.access import Who, require
from domain.errors import NotAllowed
from domain.job_args import ASKING, AnyArgs, ReportFormat, person_of, project_of
from domain.notification import SendNotification
from domain.preferences import Notice
from domain.project import PROJECT
from domain.user import User
from infra.blobs.model import Blob
from infra.db import Connection
from infra.links import Links
from infra.runtime import Runtime
from projections.read import reading, wait_for
from workers.model import Context
from workers.notices import channels_for, notify
from workers.people import active
from workers.reports.model import Report
from workers.reports.paper import Bounds, drawn
from workers.reports.sheets import Row, sheet

PREFIX = "report-"  # of the keys
BOUNDS = Bounds()
TIMEOUT_S = 900.0  # of the job
CONTENT_TYPES = {ReportFormat.PDF: "application/pdf", ReportFormat.CSV: "text/csv; charset=utf-8"}
MAX_NAME = 120  # characters of a file's name
NOT_IN_NAMES = frozenset('/\\:*?"<>|')

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
SHOWN = "SELECT min(position) FROM formula_checkpoints WHERE name = ANY(%s)"


class Made(msgspec.Struct, frozen=True):
    """The job's result."""

    key: str
    name: str
    bytes: int
    content_type: str
    pages: int | None = None


class Moment(msgspec.Struct, frozen=True):
    """The read models as they were at one time, and the position that they show."""

    db: Connection
    position: int
    at: datetime


class Days(msgspec.Struct, frozen=True):
    """The first and the last, in UTC, both in it."""

    first: date
    last: date

    @property
    def since(self) -> datetime:
        return datetime.combine(self.first, time(), UTC)

    @property
    def over(self) -> datetime:
        """Is not in it."""
        return datetime.combine(self.last + timedelta(days=1), time(), UTC)

    def __str__(self) -> str:
        return f"{self.first} – {self.last}"


async def owner(context: Context, args: AnyArgs) -> User:
    """Whose report it is. Raises Refused unless they may have it now."""
    if context.owner is None:
        raise NotAllowed("report.nobody")  # it would be nobody's to read
    user = await active(context.runtime, context.owner)
    role, project = None, project_of(args)
    if project is not None:
        members = (await context.runtime.load(PROJECT, project)).state.members
        role = members.get(context.owner)
    who = Who(context.owner, user.role)
    oneself = person_of(args) == context.owner
    require(ASKING[type(args)], who, project_role=role, oneself=oneself)
    return user


@asynccontextmanager
async def moment(runtime: Runtime, *groups: str) -> AsyncGenerator[Moment]:
    """The groups' read models at one time, no earlier than the head of now."""
    head = await runtime.store.head()
    for group in groups:
        await wait_for(runtime, group, head)
    async with reading(runtime, min_position=head, group=groups[0]) as db, db.transaction():
        await db.execute(SNAPSHOT)
        row = await (await db.execute(SHOWN, (list(groups),))).fetchone()
        yield Moment(db, row[0] if row else 0, runtime.now())


async def keep_sheet(
    context: Context, name: str, columns: Sequence[str], pages: AsyncIterator[Sequence[Row]]
) -> Made:
    return await _keep(context, f"{name}.csv", ReportFormat.CSV, sheet(columns, pages))


async def keep_paper(context: Context, name: str, report: Report) -> Made:
    await context.log(f"drawing what position {report.position} shows")
    async with drawn(report, BOUNDS) as paper:
        made = await _keep(context, f"{name}.pdf", ReportFormat.PDF, paper.content)
    return msgspec.structs.replace(made, pages=paper.pages)


async def _keep(
    context: Context, name: str, form: ReportFormat, content: AsyncIterator[bytes]
) -> Made:
    """Under the job's key: a retry replaces what an attempt before it left."""
    blob: Blob = await context.runtime.blobs.put(
        f"{PREFIX}{context.job}", content, content_type=CONTENT_TYPES[form], name=_file_name(name)
    )
    await context.log(f"kept {blob.bytes} bytes")
    return Made(blob.key, blob.name, blob.bytes, blob.content_type)


def _file_name(name: str) -> str:
    """One that every system takes; its ending stays."""
    kept = "".join("-" if c in NOT_IN_NAMES or not c.isprintable() else c for c in name)
    return kept if len(kept) <= MAX_NAME else f"{kept[: MAX_NAME - 5].rstrip()}….{kept[-3:]}"


async def hand_over(
    context: Context,
    made: Made,
    title: str,
    project: UUID | None = None,
    kind: Notice = Notice.REPORT,
) -> Made:
    """Tell the owner, once, by the ways they prefer."""
    runtime = context.runtime
    if context.owner is not None:
        expires = runtime.now() + timedelta(seconds=runtime.settings.reports_kept_s)
        pages = f", {made.pages} pages" if made.pages is not None else ""
        notice = SendNotification(
            user=context.owner,
            kind=kind,
            title=title,
            body=f"{made.name} ({made.bytes:,} bytes{pages}), until {expires:%Y-%m-%d}."
            " Whoever has the link can open it.",
            link=Links(runtime.settings).to(made.key, expires),
            project=project,
            at=runtime.now(),
        )
        channels = await channels_for(runtime, context.owner, kind)
        await notify(context, uuid5(context.job, kind), notice, channels)
    return made


async def prune(runtime: Runtime) -> int:
    """Remove reports older than they are kept; how many there were."""
    kept = timedelta(seconds=runtime.settings.reports_kept_s)
    return await runtime.blobs.prune(PREFIX, runtime.now() - kept)
