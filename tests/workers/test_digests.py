"""Digests: whose hour it is, what is in them, and that there is one for each person and day."""

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.digest import DIGEST, DigestStarted, StartDigest, digest_stream
from domain.job_args import SendDigests
from domain.notification import NOTIFICATION, Mailed, MarkRead, SendNotification
from domain.preferences import (
    PREFERENCES,
    Channels,
    Notice,
    SetPreferences,
    Unsubscribe,
    preferences_stream,
)
from domain.project import PROJECT, RemoveMember
from domain.registry import tag_of
from domain.user import USER, DeactivateUser
from infra.eventstore.types import MAX_READ
from infra.mail import Mailer
from infra.runtime import SYSTEM, Origin, Runtime
from infra.settings import Settings
from projections.digests import Hour
from tests.workers.office import AT, Office, working
from workers import send_digests
from workers.model import Context
from workers.schedules import SCHEDULES, SPACE, ask
from workers.send_digests import hours

HOUR = timedelta(hours=1)
NINE = datetime(2026, 5, 4, 9, tzinfo=UTC)
DAILY = Channels(email=Mailed.DAILY)


def come(zone: str, at: datetime, usual: str = "UTC") -> list[tuple[int, date]]:
    return [(one.hour, one.day) for one in hours([zone], at, usual)]


@pytest.mark.parametrize(
    ("zone", "hour", "day"),
    [
        ("UTC", 9, 4),
        ("Europe/Berlin", 11, 4),
        ("Asia/Kolkata", 14, 4),  # at half past
        ("Asia/Kathmandu", 14, 4),  # at a quarter to
        ("Pacific/Kiritimati", 23, 4),
        ("Pacific/Pago_Pago", 22, 3),
        ("America/Los_Angeles", 2, 4),
    ],
)
def test_an_hour_comes_when_it_does_there(zone: str, hour: int, day: int) -> None:
    assert come(zone, NINE) == [(hour, date(2026, 5, day))]


def test_who_has_named_no_zone_has_that_of_the_settings() -> None:
    assert list(hours([""], NINE, "Asia/Tokyo")) == [Hour("", 18, date(2026, 5, 4))]


def test_an_hour_that_is_left_out_comes_all_the_same_and_one_that_is_repeated_once() -> None:
    """Germany goes from 2:00 to 3:00 on 29 March, and back from 3:00 to 2:00 on 25 October."""
    spring, autumn = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
    left_out = [[hour for hour, _ in come("Europe/Berlin", spring + n * HOUR)] for n in range(3)]
    assert left_out == [[1], [2, 3], [4]]
    repeated = [[hour for hour, _ in come("Europe/Berlin", autumn + n * HOUR)] for n in range(3)]
    assert repeated == [[2], [], [3]]


@given(
    zone=st.sampled_from(sorted(available_timezones())),
    start=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001, made UTC
        lambda at: at.replace(minute=0, second=0, microsecond=0, tzinfo=UTC)
    ),
)
def test_every_hour_of_every_day_comes_once_wherever_one_is(zone: str, start: datetime) -> None:
    found = Counter(one for n in range(72) for one in come(zone, start + n * HOUR))
    assert set(found.values()) == {1}
    days = Counter(day for _, day in found)
    whole = sorted(days)[1:-1]
    assert whole
    assert {days[day] for day in whole} == {24}


# With a log


class Postman:
    """Does what the scheduler would, and reads the mail."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.office = Office(runtime)

    async def prefers(self, user: UUID, zone: str = "UTC", hour: int = 9) -> None:
        command = SetPreferences(
            user=user, hour=hour, zone=zone, channels=dict.fromkeys(Notice, DAILY)
        )
        await self.runtime.execute(SYSTEM, PREFERENCES, preferences_stream(user), command)

    async def notice(self, user: UUID, title: str, *, hidden: bool = False) -> UUID:
        stream = self.runtime.new_id()
        command = SendNotification(
            user=user,
            kind=Notice.REPORT,
            title=title,
            in_app=not hidden,
            email=Mailed.DAILY,
            at=AT,
        )
        await self.runtime.execute(SYSTEM, NOTIFICATION, stream, command)
        return stream

    async def tick(self, at: datetime) -> int:
        """How many digests were due."""
        mail = Mailer(self.runtime.settings, self.runtime.now)
        context = Context(self.runtime, mail, self.runtime.new_id(), 0, None)
        return (await send_digests.run(context, SendDigests(at=at))).digests

    async def started(self) -> list[DigestStarted]:
        found = await self.runtime.store.read(0, MAX_READ, types=[tag_of(DigestStarted)])
        return [one.event for one in found if isinstance(one.event, DigestStarted)]

    async def mails(self, jobs: int) -> list[EmailMessage]:
        """What so many digest jobs have written."""
        async with working(self.runtime.settings):
            await self.office.ended("mail_digest", jobs)
        return [
            message_from_bytes(path.read_bytes(), policy=policy.default)
            for path in sorted(self.runtime.settings.mailbox.glob("*.eml"))
        ]


@pytest.fixture
def postman(projected: Runtime) -> Postman:
    return Postman(projected)


def text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return part.get_content()


async def test_a_digest_has_what_is_unread_since_the_last_one(postman: Postman) -> None:
    ann = await postman.office.person("Ann")
    await postman.prefers(ann)
    read = await postman.notice(ann, "Read already")
    await postman.notice(ann, "First & last <b>")
    await postman.notice(ann, "By mail alone", hidden=True)
    await postman.runtime.execute(Origin(ann), NOTIFICATION, read, MarkRead(at=AT))
    assert await postman.tick(NINE) == 1
    (mail,) = await postman.mails(1)
    assert mail["Subject"] == "2 notices that you have not read"
    assert mail["To"].addresses[0].addr_spec == "ann@example.com"
    assert "First & last <b>" in text(mail)
    assert "By mail alone" in text(mail)
    assert "Read already" not in text(mail)
    html = mail.get_body(("html",))
    assert html is not None
    assert "First &amp; last &lt;b&gt;" in html.get_content()
    assert await postman.tick(NINE + 24 * HOUR) == 0, "all of it was told"
    await postman.notice(ann, "Later")
    assert await postman.tick(NINE + 48 * HOUR) == 1
    later = [mail for mail in await postman.mails(2) if "Later" in text(mail)]
    assert [mail["Subject"] for mail in later] == ["1 notice that you have not read"]


async def test_each_gets_it_at_their_own_hour(postman: Postman) -> None:
    zones = {"Berlin": "Europe/Berlin", "Delhi": "Asia/Kolkata", "Apia": "Pacific/Apia"}
    people: dict[str, UUID] = {}
    for name, zone in zones.items():
        people[name] = await postman.office.person(name)
        await postman.prefers(people[name], zone, hour=8)
        await postman.notice(people[name], "Hello")
    midnight = datetime(2026, 5, 4, tzinfo=UTC)
    told: dict[UUID, datetime] = {}
    for at in (midnight + n * HOUR for n in range(24)):
        await postman.tick(at)
        for one in await postman.started():
            told.setdefault(one.user, at)
    assert told == {
        people["Berlin"]: midnight + 6 * HOUR,
        people["Delhi"]: midnight + 3 * HOUR,  # half past eight
        people["Apia"]: midnight + 19 * HOUR,
    }


async def test_a_tick_that_runs_again_or_twice_at_once_starts_nothing_twice(
    postman: Postman,
) -> None:
    people = [await postman.office.person(f"Person {n}") for n in range(5)]
    for person in people:
        await postman.prefers(person)
        await postman.notice(person, "Hello")
    half = StartDigest(user=people[0], day=NINE.date(), after=0, upto=await head(postman))
    stream = digest_stream(people[0], NINE.date())  # as if killed after the first one
    await postman.runtime.execute(SYSTEM, DIGEST, stream, half, command_id=stream)
    await asyncio.gather(*(postman.tick(NINE) for _ in range(3)))
    await postman.tick(NINE)
    started = await postman.started()
    assert sorted(one.user for one in started) == sorted(people)
    assert len(await postman.mails(5)) == 5


async def test_a_tick_of_the_scheduler_leads_to_the_mail(postman: Postman) -> None:
    ann = await postman.office.person("Ann")
    await postman.prefers(ann)
    await postman.notice(ann, "Hello")
    (schedule,) = [one for one in SCHEDULES if one.name == "send_digests"]
    jobs = {await ask(postman.runtime, schedule, NINE, SPACE) for _ in range(2)}  # two lead
    (mail,) = await postman.mails(1)
    assert "Hello" in text(mail)
    (row,) = await postman.office.jobs("send_digests")
    assert (jobs, row.state) == ({row.id}, "done")


async def test_who_moves_gets_one_on_a_day(postman: Postman) -> None:
    ann = await postman.office.person("Ann")
    await postman.prefers(ann, "Asia/Tokyo", hour=18)
    await postman.notice(ann, "Hello")
    await postman.tick(NINE)
    await postman.notice(ann, "Again")
    await postman.prefers(ann, "UTC", hour=12)
    await postman.tick(NINE + 3 * HOUR)
    assert len(await postman.started()) == 1
    await postman.tick(NINE + 27 * HOUR)
    first, second = await postman.started()
    assert (second.day - first.day, second.after) == (timedelta(days=1), first.upto)


async def test_what_one_may_no_longer_read_is_not_in_it(
    postman: Postman, settings: Settings
) -> None:
    office = postman.office
    ann, bob = await office.person("Ann"), await office.person("Bob")
    await postman.prefers(bob)
    projects = [await office.project(ann, bob) for _ in range(2)]
    async with working(settings):
        for number, project in enumerate(projects):
            await office.assign(await office.task(project, ann, f"Task {number}"), bob, ann)
        await office.ended("notify_assigned", 2)
    remove = RemoveMember(user=bob)
    await postman.runtime.execute(Origin(ann), PROJECT, projects[0], remove)
    assert await office.jobs("mail_notice") == []
    assert await postman.tick(NINE) == 1
    (mail,) = await postman.mails(1)
    assert "Task 1" in text(mail)
    assert "Task 0" not in text(mail)
    assert f"{settings.public_url}/projects/{projects[1]}/tasks/" in text(mail)


async def test_nobody_who_has_left_or_wants_no_more_is_mailed(postman: Postman) -> None:
    gone, tired = await postman.office.person("Gone"), await postman.office.person("Tired")
    for user in (gone, tired):
        await postman.prefers(user)
        await postman.notice(user, "Hello")
    await postman.tick(NINE)
    await postman.runtime.execute(SYSTEM, USER, gone, DeactivateUser())
    stop = Unsubscribe(user=tired, notice=None)
    await postman.runtime.execute(SYSTEM, PREFERENCES, preferences_stream(tired), stop)
    assert await postman.mails(2) == []
    rows = await postman.office.jobs("mail_digest")
    assert sorted(row.state for row in rows) == ["done", "refused"]


async def head(postman: Postman) -> int:
    return await postman.runtime.store.head()
