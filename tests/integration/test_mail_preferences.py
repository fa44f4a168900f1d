"""People hear of things as they prefer: in the app, by mail, or not at all; and can stop mails."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from uuid import UUID

import httpx
import pytest

from domain.announcement import ANNOUNCEMENT, PublishAnnouncement
from domain.notification import Level, Mailed
from domain.preferences import (
    PREFERENCES,
    Channels,
    Notice,
    SetPreferences,
    Unsubscribe,
    preferences_stream,
)
from domain.project import PROJECT, RemoveMember
from infra.folder import free_port
from infra.runtime import SYSTEM, Origin, Runtime
from infra.settings import Settings
from tests.integration.conftest import Api
from tests.integration.test_jobs import notifications, recipients, with_smtp
from tests.workers.office import AT, Mailbox, Office, mail_server, working

NOTHING = Channels(in_app=False, email=Mailed.NEVER)
BY_MAIL = Channels(in_app=False, email=Mailed.AT_ONCE)
IN_APP = Channels(email=Mailed.NEVER)


async def prefers(runtime: Runtime, user: UUID, notice: Notice, channels: Channels) -> None:
    command = SetPreferences(user=user, channels={notice: channels})
    await runtime.execute(SYSTEM, PREFERENCES, preferences_stream(user), command)


async def announce(runtime: Runtime, title: str, level: Level = "info") -> None:
    publish = PublishAnnouncement(title=title, body="Tonight.", level=level, at=AT)
    await runtime.execute(SYSTEM, ANNOUNCEMENT, runtime.new_id(), publish)


def plain(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return part.get_content()


@asynccontextmanager
async def post(settings: Settings) -> AsyncGenerator[Mailbox]:
    """A worker, and the server that its mails go to."""
    port = free_port()
    with mail_server(port) as mailbox:
        async with working(with_smtp(settings, port)):
            yield mailbox


async def test_a_mention_comes_as_each_prefers(runtime: Runtime, settings: Settings) -> None:
    office = Office(runtime)
    ann, bob, cat, dan = [await office.person(name) for name in ("Ann", "Bob", "Cat", "Dan")]
    task = await office.task(await office.project(ann, bob, cat, dan), ann)
    for user, channels in ((bob, BY_MAIL), (cat, IN_APP), (dan, NOTHING)):
        await prefers(runtime, user, Notice.MENTIONED, channels)
    async with post(settings) as mailbox:
        await office.comment(task, ann, "look", bob, cat, dan)
        await office.ended("notify_mentioned", 3)
        await office.ended("mail_notice")
    assert recipients(mailbox) == ["bob@example.com"]
    shown = {one["user"]: not one.get("mail_only") for one in await notifications(runtime)}
    assert shown == {str(bob): False, str(cat): True}


async def test_an_announcement_comes_as_each_prefers_but_what_is_critical_is_seen_by_all(
    projected: Runtime, settings: Settings
) -> None:
    office = Office(projected)
    people = {name: await office.person(name) for name in ("Ann", "Bob", "Cat", "Dan")}
    for name, channels in (("Bob", BY_MAIL), ("Cat", IN_APP), ("Dan", NOTHING)):
        await prefers(projected, people[name], Notice.ANNOUNCEMENT, channels)
    async with post(settings) as mailbox:
        await announce(projected, "Cake")
        await announce(projected, "Fire", "critical")
        await office.ended("announce", 2)
        await office.ended("mail_announcement", 4)
    mails = sorted((mail["Subject"], mail["To"].addresses[0].username) for mail in mailbox.received)
    assert mails == [("Cake", "ann"), ("Cake", "bob"), ("Fire", "ann"), ("Fire", "bob")]
    assert all("Tonight." in plain(mail) for mail in mailbox.received)
    sent = await notifications(projected)
    shown = [(one["title"], UUID(one["user"])) for one in sent if not one.get("mail_only")]
    assert sorted(shown) == sorted(
        [("Cake", people[name]) for name in ("Ann", "Cat")]
        + [("Fire", person) for person in people.values()]
    )


async def test_what_changes_before_the_mail_goes_counts(
    runtime: Runtime, settings: Settings
) -> None:
    """Bob unsubscribes and Cat leaves the project, while the mails wait."""
    office = Office(runtime)
    ann, bob, cat = [await office.person(name) for name in ("Ann", "Bob", "Cat")]
    project = await office.project(ann, bob, cat)
    task = await office.task(project, ann)
    async with runtime.db.connection() as db:
        await db.execute(
            "INSERT INTO formula_queues (name, paused_at) VALUES ('email', clock_timestamp())"
            " ON CONFLICT (name) DO UPDATE SET paused_at = excluded.paused_at"
        )
    async with post(settings) as mailbox:
        await office.comment(task, ann, "between us", bob, cat)
        await office.ended("notify_mentioned", 2)
        stop = Unsubscribe(user=bob, notice=Notice.MENTIONED)
        await runtime.execute(SYSTEM, PREFERENCES, preferences_stream(bob), stop)
        await runtime.execute(Origin(ann), PROJECT, project, RemoveMember(user=cat))
        async with runtime.db.connection() as db:
            await db.execute("UPDATE formula_queues SET paused_at = NULL")
        rows = await office.ended("mail_notice", 2)
    assert mailbox.received == []
    assert sorted(str(row.error).split()[0] for row in rows) == [
        "access.denied",
        "preferences.unsubscribed",
    ]
    assert {row.state for row in rows} == {"refused"}


# By REST


async def test_preferences_are_ones_own_and_what_is_left_out_stays(api: Api) -> None:
    ann, bob = await api.as_("member"), await api.as_("member")
    path = f"/users/{ann.id}/preferences"
    first = await ann.get(path)
    assert first["digest_hour"] == 8
    assert set(first["channels"]) == set(Notice)
    assert first["channels"]["task.mentioned"] == {"in_app": True, "email": "at_once"}
    daily = {"in_app": False, "email": "daily"}
    await ann.do("PUT", path, {"channels": {"report": daily}, "zone": "Europe/Berlin"})
    await ann.do("PUT", path, {"digest_hour": 17})
    changed = await ann.get(path)
    assert changed == {
        "channels": {**first["channels"], "report": daily},
        "digest_hour": 17,
        "zone": "Europe/Berlin",
    }
    assert await bob.refused("GET", path) == "403 access.denied"
    assert await bob.refused("PUT", path, {"digest_hour": 3}) == "403 access.denied"


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"digest_hour": 24}, "422 preferences.bad_hour"),
        ({"zone": "Middle/Earth"}, "422 preferences.bad_zone"),
        ({"channels": {"gossip": {}}}, "422 request.invalid"),
        ({"channels": {"report": {"email": "hourly"}}}, "422 request.invalid"),
    ],
)
async def test_preferences_that_make_no_sense_are_refused(
    api: Api, body: dict[str, object], refusal: str
) -> None:
    ann = await api.as_("member")
    assert await ann.refused("PUT", f"/users/{ann.id}/preferences", body) == refusal


async def test_a_change_names_the_version_that_it_is_of(api: Api) -> None:
    ann = await api.as_("member")
    path = f"/users/{ann.id}/preferences"
    await ann.do("PUT", path, {"digest_hour": 17})
    stale = await ann.refused("PUT", path, {"digest_hour": 18}, If_Match='"0"')
    assert stale == "412 version.changed"


async def test_nobody_has_preferences_who_is_nobody(api: Api) -> None:
    admin = await api.as_("admin")
    path = f"/users/{UUID(int=7)}/preferences"
    assert await admin.refused("GET", path) == "404 user.not_found"
    assert await admin.refused("PUT", path, {"digest_hour": 3}) == "404 user.not_found"


# Unsubscribing


async def one_click(api: Api, mail: EmailMessage) -> httpx.Response:
    """What a mail provider does with the headers (RFC 8058, 3.2): no cookies, no token."""
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = re.fullmatch(r"<(\S+)>", str(mail["List-Unsubscribe"]))
    assert link is not None
    path = link[1].removeprefix(api.runtime.settings.public_url)
    return await api.client.post(path, data={"List-Unsubscribe": "One-Click"})


async def test_one_click_on_a_mails_header_ends_mails_of_its_kind_alone(
    api: Api, settings: Settings
) -> None:
    office = Office(api.runtime)
    ann, bob = await office.person("Ann"), await office.person("Bob")
    task = await office.task(await office.project(ann, bob), ann)
    async with post(settings) as mailbox:
        await office.comment(task, ann, "first", bob)
        await office.ended("mail_notice", 1)
        (mail,) = mailbox.received
        answers = [await one_click(api, mail) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        await office.comment(task, ann, "second", bob)
        await office.ended("notify_mentioned", 2)
        await office.assign(task, bob, ann)
        await office.ended("mail_notice", 2)
    assert len(await notifications(api.runtime)) == 3
    assert [mail["Subject"].split("“")[0] for mail in mailbox.received] == [
        "Ann mentioned you on ",
        "Ann assigned ",
    ]
    links = {str(mail["List-Unsubscribe"]).strip("<>") for mail in mailbox.received}
    assert len(links) == 2
    assert all(any(link in plain(mail) for link in links) for mail in mailbox.received)


async def test_a_look_at_the_page_changes_nothing_and_its_button_does(
    api: Api, settings: Settings
) -> None:
    office = Office(api.runtime)
    bob = await office.assigned_task()
    async with post(settings) as mailbox:
        await office.ended("mail_notice")
    link = str(mailbox.received[0]["List-Unsubscribe"]).strip("<>")
    before = await api.runtime.store.head()
    page = await api.client.get(link.removeprefix(api.runtime.settings.public_url))
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "tasks that are assigned to you" in page.text
    assert await api.runtime.store.head() == before
    form = re.search(r'<form method="post" action="([^"]+)">', page.text)
    assert form is not None
    answer = await api.client.post(page.url.join(form[1]))
    assert answer.status_code == 200
    state = (await api.runtime.load(PREFERENCES, preferences_stream(bob))).state
    assert state.of(Notice.ASSIGNED) == Channels(in_app=True, email=Mailed.NEVER)
    (event,) = await api.runtime.store.read_stream(preferences_stream(bob))
    assert (event.meta.actor, event.meta.command) == (bob, "unsubscribe")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_link_that_was_made_up_is_refused(api: Api, method: str) -> None:
    answer = await api.client.request(method, "/api/v1/unsubscribe?token=" + "A" * 60)
    assert (answer.status_code, answer.json()["code"]) == (422, "unsubscribe.bad_token")
