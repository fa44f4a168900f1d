"""Reports, made by a real worker over a real database, and read back."""

import csv
import io
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from pypdf import PdfReader

from domain.audit import AuditFilter
from domain.job_args import (
    AnyArgs,
    ReportActivity,
    ReportAudit,
    ReportFormat,
    ReportPerformance,
    ReportProject,
)
from domain.jobs import JOB, RequestJob, Wanted
from domain.notification import NotificationSent
from domain.preferences import Notice
from domain.project import PROJECT, RemoveMember
from domain.task import TASK, ChangeTaskStatus, TaskStatus
from domain.user import USER, DeactivateUser, RegisterUser, Role
from infra.jobs.reading import JobRow, get_job
from infra.runtime import Origin, Runtime
from projections.read import reading
from tests.workers.office import AT, Office, until, working
from workers.reports import making
from workers.reports.model import Report
from workers.reports.paper import Bounds, Drawn, drawn

PDF, CSV = ReportFormat.PDF, ReportFormat.CSV
BOB = "Боб محمد 田中"


class Desk(Office):
    """Asks for reports, and reads them."""

    async def ask(self, who: UUID, args: AnyArgs) -> UUID:
        job = self.runtime.new_id()
        await self.runtime.execute(Origin(who), JOB, job, RequestJob(wanted=Wanted(args=args)))
        return job

    async def report(self, who: UUID, args: AnyArgs) -> JobRow:
        job = await self.ask(who, args)

        async def look() -> JobRow | None:
            async with self.runtime.db.connection() as db:
                row = await get_job(db, job)
            return row if row and row.finished_at else None

        row = await until(look)
        assert row is not None
        return row

    async def foreigner(self) -> UUID:
        """Whose name is in three scripts."""
        user = self.runtime.new_id()
        command = RegisterUser(email="bob@example.com", name=BOB, at=AT, role=Role.MEMBER)
        await self.runtime.execute(Origin(), USER, user, command)
        return user

    async def content(self, row: JobRow) -> bytes:
        assert row.state == "done", row.error
        opened = await self.runtime.blobs.open(made(row)["key"])
        return b"".join([chunk async for chunk in opened.content])

    async def words(self, row: JobRow) -> str:
        """Of a PDF."""
        reader = PdfReader(io.BytesIO(await self.content(row)))
        assert len(reader.pages) == made(row)["pages"]
        texts = [page.extract_text().replace("\0", "") for page in reader.pages]
        return " ".join(" ".join(text.split()) for text in texts)

    async def rows(self, row: JobRow) -> list[list[str]]:
        """Of a CSV."""
        text = (await self.content(row)).decode()
        assert text.startswith("\ufeff")
        return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))

    async def sql(self, query: str, *values: object) -> list[Any]:
        async with reading(self.runtime) as db:
            return await (await db.execute(query.encode(), values)).fetchall()


class Bridge(msgspec.Struct, frozen=True):
    """A project with five tasks: one is Bob's, two are done, one cancelled."""

    desk: Desk
    ann: UUID
    bob: UUID
    project: UUID
    today: date


def made(row: JobRow) -> Any:
    return row.result


@pytest.fixture
async def bridge(projected: Runtime) -> AsyncIterator[Bridge]:
    desk = Desk(projected)
    ann, bob = await desk.person("Ann Lee"), await desk.foreigner()
    project = await desk.project(ann, bob)
    titles = ("=1+1", "-2", 'Draw, "the"\narch', "@home", "Plain")
    tasks = [await desk.task(project, ann, title) for title in titles]
    await desk.assign(tasks[0], bob, ann)
    ends = (TaskStatus.DONE, TaskStatus.DONE, TaskStatus.CANCELLED)
    for task, status in zip(tasks[1:], ends, strict=False):
        change = ChangeTaskStatus(status=status)
        await projected.execute(Origin(ann), TASK, task, change, project=project)
    async with working(projected.settings):
        yield Bridge(desk, ann, bob, project, projected.now().astimezone(UTC).date())


def of_project(bridge: Bridge, form: ReportFormat = PDF) -> ReportProject:
    return ReportProject(
        project=bridge.project,
        first=bridge.today - timedelta(days=6),
        last=bridge.today,
        format=form,
    )


async def test_a_project_on_paper_has_the_figures_that_sql_gives(bridge: Bridge) -> None:
    desk = bridge.desk
    row = await desk.report(bridge.ann, of_project(bridge))
    words = await desk.words(row)
    ((tasks, open_, done, cancelled),) = await desk.sql(
        "SELECT count(*), count(*) FILTER (WHERE status NOT IN ('done', 'cancelled')),"
        " count(*) FILTER (WHERE status = 'done'), count(*) FILTER (WHERE status = 'cancelled')"
        " FROM tasks WHERE project = %s",
        bridge.project,
    )
    assert (tasks, open_, done, cancelled) == (5, 2, 2, 1)
    for figure in ("Tasks at the end 5", "Open 2", "Done 2", "Cancelled 1", "Nobody's 1"):
        assert figure in words, words
    ((made_, done_),) = await desk.sql(
        "SELECT count(*) FILTER (WHERE tag = 'task.created.v1'),"
        " count(*) FILTER (WHERE tag = 'task.status_changed.v1' AND data->>'status' = 'done')"
        " FROM formula_log"
    )
    assert (made_, done_) == (5, 2)
    assert f"Made on these days {made_}" in words
    assert f"Done on these days {done_}" in words
    assert "Project: Bridge" in words
    assert f"{bridge.today - timedelta(days=6)} – {bridge.today}" in words
    assert "As of position" in words
    assert f"1 / {made(row)['pages']}" in words
    assert "Боб" in words
    assert "田中" in words


async def test_a_projects_rows_are_those_of_its_tasks_and_none_is_a_formula(
    bridge: Bridge,
) -> None:
    desk = bridge.desk
    header, *rows = await desk.rows(await desk.report(bridge.ann, of_project(bridge, CSV)))
    found = await desk.sql(
        "SELECT id::text, title, status FROM tasks WHERE project = %s ORDER BY created_at, id",
        bridge.project,
    )
    assert header[:3] == ["task", "title", "status"]
    assert [row[0] for row in rows] == [task for task, _, _ in found]
    assert [row[2] for row in rows] == [status for _, _, status in found]
    titles = {row[1] for row in rows}
    assert titles == {"'=1+1", "'-2", 'Draw, "the"\narch', "'@home", "Plain"}
    assert [row[4] for row in rows if row[1] == "'=1+1"] == [BOB]


async def test_days_before_there_was_anything_are_empty(bridge: Bridge) -> None:
    old = date(2020, 1, 1)
    args = ReportProject(project=bridge.project, first=old, last=old)
    words = await bridge.desk.words(await bridge.desk.report(bridge.ann, args))
    assert "Tasks at the end 0" in words


async def test_the_owner_is_told_once_and_mailed_the_link(bridge: Bridge) -> None:
    desk, runtime = bridge.desk, bridge.desk.runtime
    row = await desk.report(bridge.ann, of_project(bridge))

    async def mailed() -> JobRow | None:
        mails = await desk.ended("mail_notice")
        return next((one for one in mails if one.args["notice"] == Notice.REPORT), None)

    mail = await until(mailed)
    assert mail is not None
    assert mail.state == "done"
    sent = [
        one.event
        for one in await runtime.store.read(0, 1_000, types=["notification.sent.v1"])
        if isinstance(one.event, NotificationSent) and one.event.kind == "report"
    ]
    assert [one.user for one in sent] == [bridge.ann]
    assert sent[0].link.startswith(f"/api/v1/files/report-{row.id}/content?expires=")
    letter = (runtime.settings.mailbox / f"{mail.id}.eml").read_text()
    assert "To: Ann Lee" in letter
    assert sent[0].link[:60] in letter.replace("=\n", "").replace("=3D", "=")
    assert "signature" not in str(mail.args)  # who sees jobs does not see reports
    assert "signature" not in str(row.result)


async def test_activity_equals_the_rows_and_is_a_persons_or_a_projects(bridge: Bridge) -> None:
    desk, today = bridge.desk, bridge.today
    before = today - timedelta(days=1)  # when it may have begun
    of_all = ReportActivity(project=bridge.project, first=before, last=today, format=CSV)
    header, *rows = await desk.rows(await desk.report(bridge.bob, of_all))
    found = await desk.sql(
        "SELECT position, verb FROM activity WHERE project = %s ORDER BY 1", bridge.project
    )
    assert header[:2] == ["position", "at"]
    assert [(int(row[0]), row[3]) for row in rows] == found
    own = ReportActivity(person=bridge.bob, first=before, last=today)
    assert "Done in all 0" in await desk.words(await desk.report(bridge.bob, own))
    anns = ReportActivity(person=bridge.ann, first=before, last=today)
    words = await desk.words(await desk.report(bridge.ann, anns))
    ((total,),) = await desk.sql("SELECT count(*) FROM activity WHERE actor = %s", bridge.ann)
    assert f"Done in all {total} " in words
    assert (await desk.report(bridge.bob, anns)).state == "refused"


async def test_an_extract_of_the_audit_is_itself_written_down(bridge: Bridge) -> None:
    desk = bridge.desk
    audrey = await desk.person("Audrey", Role.AUDITOR)
    wanted = AuditFilter(project=bridge.project, aggregate="task")
    row = await desk.report(audrey, ReportAudit(filter=wanted))
    header, *rows = await desk.rows(row)
    assert header[0] == "position"
    found = await desk.sql(
        "SELECT position, type, data FROM audit WHERE project = %s AND aggregate = 'task'"
        " ORDER BY position",
        bridge.project,
    )
    assert len(found) == 8
    kept = [header.index(name) for name in ("position", "type", "data")]
    for line, (position, tag, data) in zip(rows, found, strict=True):
        number, type_, fields = (line[n] for n in kept)
        assert (int(number), type_, msgspec.json.decode(fields)) == (position, tag, data)
    read = await desk.runtime.store.read(0, 1_000, types=["audit.read.v1"])
    assert [(one.meta.actor, getattr(one.event, "count", 0)) for one in read] == [(audrey, 8)]
    words = await desk.words(await desk.report(audrey, ReportAudit(filter=wanted, format=PDF)))
    assert "Events 8" in words
    assert "task.created.v1 5" in words
    assert (await desk.report(bridge.ann, ReportAudit())).state == "refused"


async def test_operators_see_how_the_system_did(bridge: Bridge) -> None:
    desk = bridge.desk
    otto = await desk.person("Otto", Role.OPERATOR)
    words = await desk.words(await desk.report(otto, ReportPerformance()))
    assert "How the system did" in words
    assert "reports" in words
    rows = await desk.rows(await desk.report(otto, ReportPerformance(format=CSV)))
    events = sum(int(row[3]) for row in rows if row[:1] == ["log"])
    ((stored,),) = await desk.sql("SELECT count(*) FROM formula_events")
    assert 0 < events <= stored
    assert (await desk.report(bridge.ann, ReportPerformance())).state == "refused"


async def test_who_lost_the_right_meanwhile_gets_nothing(projected: Runtime) -> None:
    desk = Desk(projected)
    ann, bob, eve = await desk.person("Ann"), await desk.person("Bob"), await desk.person("Eve")
    project = await desk.project(ann, bob, eve)
    today = projected.now().date()
    args = ReportProject(project=project, first=today, last=today)
    jobs = [await desk.ask(who, args) for who in (bob, eve)]
    await projected.execute(Origin(ann), PROJECT, project, RemoveMember(user=bob))
    await projected.execute(Origin(), USER, eve, DeactivateUser())
    async with working(projected.settings):
        rows = await desk.ended("report_project", 2)
    assert {row.id for row in rows} == set(jobs)
    assert {row.state for row in rows} == {"refused"}
    assert not list((projected.settings.data / "uploads").rglob("report-*"))


async def test_a_report_that_takes_too_much_fails_and_is_tried_again(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = bridge.desk
    monkeypatch.setattr(making, "BOUNDS", Bounds(memory=40 << 20))
    first = await desk.report(bridge.ann, of_project(bridge))
    assert (first.state, first.attempts) == ("dead", 3)
    assert "drawing the report" in (first.error or "")
    monkeypatch.setattr(making, "BOUNDS", Bounds(timeout_s=0.01))
    second = await desk.report(bridge.ann, of_project(bridge))
    assert (second.state, second.attempts) == ("dead", 3)
    assert "not done within 0.01 s" in (second.error or "")


async def test_what_fails_at_first_is_there_in_the_end(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, bounds = bridge.desk, [Bounds(timeout_s=0.01)]

    def first_tight(report: Report, usual: Bounds) -> AbstractAsyncContextManager[Drawn]:
        return drawn(report, bounds.pop() if bounds else usual)

    monkeypatch.setattr(making, "drawn", first_tight)
    row = await desk.report(bridge.ann, of_project(bridge))
    assert (row.state, row.attempts) == ("done", 2)
    assert "Tasks at the end 5" in await desk.words(row)


async def test_old_reports_are_removed(bridge: Bridge) -> None:
    desk, runtime = bridge.desk, bridge.desk.runtime
    row = await desk.report(bridge.ann, of_project(bridge, CSV))
    assert await making.prune(runtime) == 0
    settings = msgspec.structs.replace(runtime.settings, reports_kept_s=-60)
    assert await making.prune(msgspec.structs.replace(runtime, settings=settings)) == 1
    with pytest.raises(Exception, match=r"file\.not_found"):
        await desk.content(row)
