"""From the tick of a Monday to the mail with the link, and no more of them by one click."""

from datetime import UTC, timedelta
from uuid import UUID

from domain.job_args import ReportProject
from domain.jobs import JobRequested
from domain.notification import Mailed
from domain.preferences import PREFERENCES, Notice, preferences_stream
from domain.schedules import SPACE, named
from infra.settings import Settings
from tests.integration.conftest import Api, Place
from tests.integration.test_mail_preferences import one_click, plain, post
from tests.workers.office import Office, until
from workers.schedules import ask

WEEKLY = named("send_weekly_reports")


async def test_each_manager_is_mailed_a_link_and_can_stop_it(
    api: Api, place: Place, settings: Settings
) -> None:
    runtime, office = api.runtime, Office(api.runtime)
    boss = UUID(place.boss.id)
    tomorrow = runtime.now().astimezone(UTC) + timedelta(days=1)
    async with post(settings) as mailbox:
        for _ in range(2):  # two schedulers lead
            await ask(runtime, WEEKLY, tomorrow, SPACE)
        (report,) = await office.ended("report_project")
        (sent,) = await office.ended("mail_notice")
        assert (report.state, sent.state) == ("done", "done"), (report.error, sent.error)
        (mail,) = mailbox.received
        assert mail["To"].addresses[0].addr_spec == place.boss.email
        assert mail["Subject"] == "Weekly report on P"
        assert report.owner == boss
        link = next(line for line in plain(mail).splitlines() if "/files/report-" in line)
        file = await api.client.get(link.removeprefix(settings.public_url))
        assert (file.status_code, file.content[:5]) == (200, b"%PDF-")

        assert (await one_click(api, mail)).status_code == 200
        state = (await runtime.load(PREFERENCES, preferences_stream(boss))).state
        assert state.of(Notice.WEEKLY_REPORT).email is Mailed.NEVER
        assert state.of(Notice.REPORT).email is Mailed.AT_ONCE
        await ask(runtime, WEEKLY, tomorrow + timedelta(days=1), SPACE)
        await office.ended("report_project", 2)
    assert len(mailbox.received) == 1
    assert await until(lambda: kinds(place, 2)) == ["report.weekly"] * 2


async def kinds(place: Place, least: int) -> list[str]:
    """Of the manager's notifications, once there are so many."""
    page = await place.boss.get("/notifications")
    found = [one["kind"] for one in page["items"]]
    return found if len(found) >= least else []


async def test_a_manager_sees_the_job_as_their_own(
    api: Api, place: Place, settings: Settings
) -> None:
    async with post(settings):
        await ask(api.runtime, WEEKLY, api.runtime.now() + timedelta(days=1), SPACE)
        (row,) = await Office(api.runtime).ended("report_project")
    assert (await place.boss.get(f"/realtime/jobs/{row.id}"))["state"] == "done"
    assert await place.ann.refused("GET", f"/realtime/jobs/{row.id}") == "404 job.not_found"
    (event,) = await api.runtime.store.read_stream(row.id)
    assert isinstance(event.event, JobRequested)
    assert isinstance(event.event.wanted.args, ReportProject)
    assert (event.meta.actor, str(event.meta.on_behalf_of)) == (None, place.boss.id)
