"""Who is told of alerts: operators and admins by mail, once for a group; and a webhook."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.alert import ALERT, AcknowledgeAlert, Observe, alert_stream
from domain.alert_events import AlertFired, Severity, Watch
from domain.kernel import Metadata, Recorded
from domain.notification import Mailed
from domain.preferences import PREFERENCES, Channels, Notice, SetPreferences, preferences_stream
from domain.silence import SILENCE, SILENCES_STREAM, PlaceSilence
from domain.user import Role
from infra.jobs.reading import JobRow
from infra.runtime import SYSTEM, Runtime
from tests.infra.test_webhooks import SECRET, receiving
from tests.workers.office import AT, Office, at_work, until, working
from workers import mail_alerts
from workers.mail_alerts import MailAlerts, react

CPU = Watch(rule="cpu", group="machine", about="of cores", unit="share", warning=0.7, critical=0.85)
MEMORY = msgspec.structs.replace(CPU, rule="memory", about="of bytes")
DEAD = Watch(rule="dead_jobs", group="jobs", warning=1.0)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_alerts, "WAIT_S", 2)


async def seen(runtime: Runtime, value: float, *watches: Watch) -> None:
    """At one look, as by one tick."""
    now = runtime.now()
    for watch in watches:
        command = Observe(watch=watch, value=value, at=now)
        await runtime.execute(SYSTEM, ALERT, alert_stream(watch.rule), command)


def mails(runtime: Runtime) -> list[str]:
    folder = Path(runtime.settings.mail_folder)
    return [file.read_text() for file in sorted(folder.glob("*.eml"))]


async def silenced(runtime: Runtime, **fields: Any) -> None:
    now = runtime.now()
    until_ = now + timedelta(hours=1)
    place = PlaceSilence(silence=runtime.new_id(), reason="drill", until=until_, at=now, **fields)
    await runtime.execute(SYSTEM, SILENCE, SILENCES_STREAM, place)


def test_what_comes_together_is_one_job() -> None:
    def of(after_s: float, severity: Severity = Severity.CRITICAL) -> list[MailAlerts]:
        at = AT + timedelta(seconds=after_s)
        event = AlertFired(
            rule="cpu", group="machine", severity=severity, value=1, threshold=1, at=at
        )
        return react(Recorded(event, alert_stream("cpu"), 1, 1, at, Metadata()))

    assert of(0.0) == of(1.9) == [MailAlerts("machine", AT + timedelta(seconds=2))]
    assert of(2.0) != of(1.9)
    assert len({one.unique for one in (*of(0.0), *of(2.0))}) == 2
    assert of(0.0, Severity.WARNING) == []


async def test_operators_and_admins_get_one_mail_for_a_group(projected: Runtime) -> None:
    office = Office(projected)
    for name, role in (("Otto", Role.OPERATOR), ("Ada", Role.ADMIN), ("Max", Role.MANAGER)):
        await office.person(name, role)
    async with at_work(projected):
        await seen(projected, 0.9, CPU, MEMORY)
        await seen(projected, 5.0, DEAD)
        await office.ended("mail_notice", 2)
    ran = [one for one in await office.jobs("mail_alerts") if one.attempts]
    assert len(ran) == 1, "the other was not to be while there was this one"
    told = mails(projected)
    assert len(told) == 2
    assert sorted({line for one in told for line in one.splitlines() if line[:3] == "To:"}) == [
        "To: Ada <ada@example.com>",
        "To: Otto <otto@example.com>",
    ]
    assert all("Critical: cpu, memory" in one for one in told)
    assert all("memory: 90.0%, critical from 85.0%" in one for one in told)
    assert not any("dead_jobs" in one for one in told), "a warning is not mailed"


async def test_nobody_is_mailed_who_would_not_have_it(projected: Runtime) -> None:
    """In the app it is shown all the same: it is critical."""
    office = Office(projected)
    otto, ada = await office.person("Otto", Role.OPERATOR), await office.person("Ada", Role.ADMIN)
    never = {Notice.ALERT: Channels(in_app=False, email=Mailed.NEVER)}
    choose = SetPreferences(user=otto, channels=never)
    await projected.execute(SYSTEM, PREFERENCES, preferences_stream(otto), choose)
    async with at_work(projected):
        await seen(projected, 0.9, CPU)
        await office.ended("mail_notice")
    assert [one.args["user"] for one in await office.jobs("mail_notice")] == [str(ada)]
    async with projected.db.connection() as db:
        cursor = await db.execute(
            "SELECT count(*) FROM formula_events WHERE topic = 'notification.sent.v1'"
        )
        assert await cursor.fetchone() == (2,)


@pytest.mark.parametrize("how", ["silenced", "acknowledged", "resolved"])
async def test_nobody_is_mailed_of(projected: Runtime, how: str) -> None:
    office = Office(projected)
    await office.person("Otto", Role.OPERATOR)
    if how == "silenced":
        await silenced(projected, severity=Severity.CRITICAL)
    await seen(projected, 0.9, CPU)
    if how == "acknowledged":
        command = AcknowledgeAlert(rule="cpu", at=projected.now())
        await projected.execute(SYSTEM, ALERT, alert_stream("cpu"), command)
    if how == "resolved":
        await seen(projected, 0.1, CPU)
    async with working(projected.settings):
        await office.ended("mail_alerts")
    assert await office.jobs("mail_notice") == []


async def test_a_webhook_is_told_of_each_change_until_it_is_silenced(projected: Runtime) -> None:
    async with receiving() as receiver:
        settings = msgspec.structs.replace(
            projected.settings,
            alert_webhook_url=f"http://127.0.0.1:{receiver.port}/hook",
            alert_webhook_secret=SECRET,
            alert_webhook_private=True,
        )
        office = Office(projected)
        async with working(settings):
            await seen(projected, 0.75, CPU)
            await seen(projected, 0.9, CPU)
            await seen(projected, 0.1, CPU)
            await office.ended("tell_webhook", 3)
            await silenced(projected, rule="cpu")
            await seen(projected, 0.9, CPU)
            await office.ended("tell_webhook", 4)
        bodies = [msgspec.json.decode(body) for _, _, body in receiver.requests]
    assert {one["event"]: one["severity"] for one in bodies} == {
        "fired": "warning",
        "worsened": "critical",
        "resolved": "critical",
    }
    assert len({one["id"] for one in bodies}) == 3
    assert all(headers["x-formula-signature"] for _, headers, _ in receiver.requests)
    fired = next(one for one in bodies if one["event"] == "fired")
    assert fired == fired | {"rule": "cpu", "group": "machine", "value": 0.75, "threshold": 0.7}


async def test_a_webhook_that_fails_is_told_again(projected: Runtime) -> None:
    answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    async with receiving(answer=answer) as receiver:
        settings = msgspec.structs.replace(
            projected.settings,
            alert_webhook_url=f"http://127.0.0.1:{receiver.port}/hook",
            alert_webhook_secret=SECRET,
            alert_webhook_private=True,
        )
        async with working(settings):
            await seen(projected, 5.0, DEAD)
            await until(lambda: twice(receiver.requests))
            receiver.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
            [job] = await Office(projected).ended("tell_webhook")
        assert job.state == "done"
    ids = {headers["x-formula-delivery"] for _, headers, _ in receiver.requests}
    assert ids == {str(job.id)}, "the same each time"


async def twice(requests: Sequence[object]) -> bool:
    await asyncio.sleep(0)
    return len(requests) >= 2


async def test_a_private_address_is_refused_for_good(projected: Runtime) -> None:
    settings = msgspec.structs.replace(
        projected.settings,
        alert_webhook_url="http://127.0.0.1:9/hook",
        alert_webhook_secret=SECRET,
    )
    async with working(settings):
        await seen(projected, 5.0, DEAD)
        jobs: Sequence[JobRow] = await Office(projected).ended("tell_webhook")
    assert [(one.state, one.attempts) for one in jobs] == [("refused", 1)]
    assert "webhook.private_address" in str(jobs[0].error)
