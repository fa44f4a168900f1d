"""From events to mails and notifications, over real Postgres, Valkey and SMTP."""

from collections.abc import Mapping, Sequence
from email.headerregistry import Address
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest

from domain.announcement import ANNOUNCEMENT, PublishAnnouncement
from domain.notification import NOTIFICATION, SendNotification
from domain.project import PROJECT, RemoveMember
from domain.user import USER, ChangeProfile, DeactivateUser, Role
from infra.eventstore.execute import Do
from infra.eventstore.types import NEW
from infra.folder import free_port
from infra.runtime import SYSTEM, Origin, Runtime
from infra.settings import Settings
from projections.read import reading
from projections.users import list_users
from tests.workers.office import (
    AT,
    Mailbox,
    Office,
    mail_server,
    until,
    working,
)
from workers import announce
from workers.model import Context


@pytest.fixture
def office(runtime: Runtime) -> Office:
    return Office(runtime)


def recipients(mailbox: Mailbox) -> list[str]:
    found: Sequence[Address] = [one for mail in mailbox.received for one in mail["To"].addresses]
    return sorted(one.addr_spec for one in found)


def with_smtp(settings: Settings, port: int) -> Settings:
    return msgspec.structs.replace(settings, smtp_url=f"smtp://127.0.0.1:{port}")


async def test_an_event_becomes_exactly_one_mail(office: Office, settings: Settings) -> None:
    port = free_port()
    with mail_server(port) as mailbox:
        async with working(with_smtp(settings, port)):
            await office.assigned_task()
            (row,) = await office.ended("mail_notice")
    (mail,) = mailbox.received
    assert mail["Subject"] == "Ann Lee assigned “Draw the arch” to you"
    assert mail["Message-ID"] == f"<{row.id}@formula>"
    assert (row.state, row.attempts) == ("done", 1)


async def test_each_person_mentioned_gets_a_mail_with_the_words(
    office: Office, settings: Settings
) -> None:
    ann, bob, eve = [await office.person(name) for name in ("Ann", "Bob", "Eve")]
    task = await office.task(await office.project(ann, bob, eve), ann)
    port = free_port()
    with mail_server(port) as mailbox:
        async with working(with_smtp(settings, port)):
            await office.comment(task, ann, "<b>look</b> & tell", bob, eve, ann)
            await office.ended("mail_notice", 2)
    assert recipients(mailbox) == ["bob@example.com", "eve@example.com"]
    text, html = (mailbox.received[0].get_body((form,)) for form in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "<b>look</b> & tell" in text.get_content()
    assert "&lt;b&gt;look&lt;/b&gt; &amp; tell" in html.get_content()


async def test_who_may_not_read_the_project_hears_nothing_of_it(
    office: Office, settings: Settings
) -> None:
    ann, bob, eve = [await office.person(name) for name in ("Ann", "Bob", "Eve")]
    project = await office.project(ann, bob)
    task = await office.task(project, ann)
    await office.runtime.execute(Origin(ann), PROJECT, project, RemoveMember(user=bob))
    async with working(settings):
        await office.comment(task, ann, "between us", bob, eve)
        rows = await office.ended("notify_mentioned", 2)
    assert [row.state for row in rows] == ["refused", "refused"]
    assert all(str(row.error).startswith("access.denied") for row in rows)
    assert not settings.mailbox.exists()


async def test_a_refusal_is_recorded_and_not_tried_again(
    office: Office, settings: Settings
) -> None:
    bob = await office.assigned_task()
    await office.runtime.execute(SYSTEM, USER, bob, DeactivateUser())
    async with working(settings):
        (row,) = await office.ended("notify_assigned")
    assert (row.state, row.attempts) == ("refused", 1)
    assert str(row.error).startswith("user.not_active")


async def test_an_old_log_is_worked_from_its_beginning(office: Office, settings: Settings) -> None:
    await office.assigned_task()
    async with working(settings):
        (row,) = await office.ended("mail_notice")
    assert [path.stem for path in settings.mailbox.glob("*.eml")] == [str(row.id)]


# Notifications


async def test_who_is_given_a_task_is_notified_once(office: Office, settings: Settings) -> None:
    async with working(settings):
        bob = await office.assigned_task()
        await office.ended("notify_assigned")
    sent = await notifications(office.runtime)
    assert [(one["user"], one["kind"], one["body"]) for one in sent] == [
        (str(bob), "task.assigned", "Draw the arch")
    ]


async def test_an_announcement_reaches_everybody_it_is_for_once(
    projected: Runtime, settings: Settings
) -> None:
    office, announcement = Office(projected), projected.new_id()
    members = [await office.person(f"Member {n}") for n in range(7)]
    await office.person("Guest", Role.GUEST)
    gone = await office.person("Gone")
    await projected.execute(SYSTEM, USER, gone, DeactivateUser())
    publish = PublishAnnouncement(title="Down at 8", roles=(Role.MEMBER,), at=AT)
    await projected.execute(SYSTEM, ANNOUNCEMENT, announcement, publish)
    async with working(settings):
        (row,) = await office.ended("announce")
        await run_again(projected, row.id)
        await office.ended("announce")
    sent = await notifications(projected)
    assert sorted(one["user"] for one in sent) == sorted(map(str, members))
    assert {one["title"] for one in sent} == {"Down at 8"}


async def test_who_is_renamed_while_all_are_told_is_told_too(
    projected: Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    office, announcement = Office(projected), projected.new_id()
    members = [await office.person(f"Member {n}") for n in range(4)]
    notify_all = announce.notify_all

    async def named_first() -> bool:
        async with reading(projected) as db:
            return (await list_users(db, limit=1))[0].name == "Aaron"

    async def renames(context: Context, notices: Mapping[UUID, SendNotification]) -> None:
        await notify_all(context, notices)
        if not await named_first():
            await projected.execute(SYSTEM, USER, members[3], ChangeProfile(name="Aaron"))
            await until(named_first)

    monkeypatch.setattr(announce, "PAGE", 2)
    monkeypatch.setattr(announce, "notify_all", renames)
    publish = PublishAnnouncement(title="Down at 8", at=AT)
    await projected.execute(SYSTEM, ANNOUNCEMENT, announcement, publish)
    async with working(settings):
        await office.ended("announce")
    sent = await notifications(projected)
    assert sorted(one["user"] for one in sent) == sorted(map(str, members))


async def test_who_was_told_by_an_attempt_at_others_is_not_told_again(
    projected: Runtime, settings: Settings
) -> None:
    office, announcement = Office(projected), projected.new_id()
    members = [await office.person(f"Member {n}") for n in range(3)]
    stream = uuid5(announcement, members[1].hex)
    first = SendNotification(user=members[1], kind="announcement", title="Down at 8", at=AT)
    await projected.execute(SYSTEM, NOTIFICATION, stream, first, command_id=stream)
    publish = PublishAnnouncement(title="Down at 8", at=AT)
    await projected.execute(SYSTEM, ANNOUNCEMENT, announcement, publish)
    async with working(settings):
        await office.ended("announce")
    sent = await notifications(projected)
    assert sorted(one["user"] for one in sent) == sorted(map(str, members))


async def test_an_announcement_tried_again_among_other_people_reaches_them_too(
    projected: Runtime, settings: Settings
) -> None:
    office, announcement = Office(projected), projected.new_id()
    members = [await office.person(f"Member {n}") for n in range(3)]
    streams = [uuid5(announcement, member.hex) for member in members]
    first, second = (
        SendNotification(user=member, kind="announcement", title="Down at 8", at=AT)
        for member in members[:2]
    )
    await projected.execute(  # as an attempt did, for those who were there then
        SYSTEM,
        NOTIFICATION,
        streams[0],
        first,
        Do(NOTIFICATION, streams[1], second, NEW),
        command_id=projected.new_id(),
        expected=NEW,
    )
    publish = PublishAnnouncement(title="Down at 8", at=AT)
    await projected.execute(SYSTEM, ANNOUNCEMENT, announcement, publish)
    async with working(settings):
        (row,) = await office.ended("announce")
    sent = await notifications(projected)
    assert (row.state, row.error) == ("done", None)
    assert sorted(one["user"] for one in sent) == sorted(map(str, members))


async def notifications(runtime: Runtime) -> list[dict[str, Any]]:
    async with runtime.db.connection() as db:
        cursor = await db.execute(
            "SELECT data FROM formula_log WHERE tag = 'notification.sent.v1' ORDER BY position"
        )
        return [data for (data,) in await cursor.fetchall()]


async def run_again(runtime: Runtime, job: UUID) -> None:
    async with runtime.db.connection() as db:
        await db.execute(
            "UPDATE formula_jobs SET state = 'queued', finished_at = NULL WHERE id = %s", (job,)
        )
