"""Weekly reports: of which week, for whom, and that each is asked for once."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from domain.job_args import ReportProject, SendWeeklyReports
from domain.jobs import JobRequested
from domain.kernel import Event, Recorded
from domain.project import PROJECT, AddMember, ProjectRole
from domain.registry import tag_of
from domain.schedules import named, ticks
from infra.eventstore.types import MAX_READ
from infra.mail import Mailer
from infra.runtime import Origin, Runtime
from tests.workers.office import Office
from workers import send_weekly_reports
from workers.model import Context

WEEKLY = named("send_weekly_reports")


@pytest.mark.parametrize(
    ("zone", "last"),
    [
        ("UTC", date(2026, 5, 3)),
        ("Europe/Berlin", date(2026, 5, 3)),
        ("America/Los_Angeles", date(2026, 5, 3)),
        ("Pacific/Auckland", date(2026, 5, 2)),  # where in UTC the Sunday goes on
    ],
)
def test_it_is_monday_morning_and_the_days_are_over(zone: str, last: date) -> None:
    at = next(ticks(WEEKLY, datetime(2026, 5, 1, tzinfo=UTC), zone))
    there = at.astimezone(ZoneInfo(zone))
    assert (there.isoweekday(), there.hour) == (1, 6)
    assert WEEKLY.args(at) == SendWeeklyReports(last=last)


# With a log


class Press:
    """Does what the scheduler would."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime, self.office = runtime, Office(runtime)
        self.today = runtime.now().astimezone(UTC).date()

    async def run(self, last: date) -> int:
        """How many reports were asked for."""
        mail = Mailer(self.runtime.settings, self.runtime.now)
        context = Context(self.runtime, mail, self.runtime.new_id(), 1, None)
        return (await send_weekly_reports.run(context, SendWeeklyReports(last=last))).reports

    async def asked(self) -> list[Recorded[Event]]:
        return await self.runtime.store.read(0, MAX_READ, types=[tag_of(JobRequested)])


@pytest.fixture
def press(projected: Runtime) -> Press:
    return Press(projected)


async def managed(press: Press, projects: int) -> tuple[list[UUID], list[UUID]]:
    """Projects, each with the same two managers."""
    ann, bob = await press.office.person("Ann"), await press.office.person("Bob")
    made = [await press.office.project(ann) for _ in range(projects)]
    for project in made:
        add = AddMember(user=bob, role=ProjectRole.MANAGER)
        await press.runtime.execute(Origin(ann), PROJECT, project, add)
    return made, [ann, bob]


async def test_a_report_is_asked_for_by_the_system_on_a_managers_behalf(press: Press) -> None:
    (project,), managers = await managed(press, 1)
    assert await press.run(press.today) == 2
    asked = await press.asked()
    assert sorted(str(one.meta.on_behalf_of) for one in asked) == sorted(map(str, managers))
    first = press.today - timedelta(days=6)
    for one in asked:
        assert one.meta.actor is None
        assert isinstance(one.event, JobRequested)
        assert one.event.wanted.args == ReportProject(
            project=project, first=first, last=press.today, weekly=True
        )


async def test_a_week_in_which_nothing_was_done_has_none(press: Press) -> None:
    await managed(press, 1)
    assert await press.run(press.today - timedelta(days=1)) == 0
    assert await press.run(press.today + timedelta(days=7)) == 0
    assert await press.run(press.today + timedelta(days=6)) == 2


async def test_it_is_killed_in_the_middle_and_runs_again_and_twice_at_once(
    press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send_weekly_reports, "PAGE", 2)
    projects, managers = await managed(press, 8)
    run = asyncio.create_task(press.run(press.today))
    async with asyncio.timeout(20):
        while not (begun := await press.asked()):  # noqa: ASYNC110, it is in the log
            await asyncio.sleep(0)
    run.cancel()
    await asyncio.wait([run])
    assert run.cancelled()
    assert 0 < len(begun) < 16
    await asyncio.gather(*(press.run(press.today) for _ in range(3)))
    assert await press.run(press.today) == 16
    asked = [
        (one.event.wanted.args.project, one.meta.on_behalf_of)
        for one in await press.asked()
        if isinstance(one.event, JobRequested) and isinstance(one.event.wanted.args, ReportProject)
    ]
    assert len(asked) == 16
    assert set(asked) == {(project, manager) for project in projects for manager in managers}
