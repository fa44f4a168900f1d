"""What a mail server says of people stays out of jobs and logs."""

from collections.abc import Callable

import pytest

from infra import smtp
from infra.folder import free_port
from infra.runtime import Runtime
from infra.settings import Settings
from tests.integration.test_jobs import with_smtp
from tests.workers.office import Mailbox, Office, mail_server, until, working

WHO = "bob@example.com"
SAYS = f"<{WHO}>: not for {WHO}"


def refuses(box: Mailbox) -> None:
    box.answer = f"550 {SAYS}"


def defers(box: Mailbox) -> None:
    box.answer = f"450 {SAYS}"


def dislikes(box: Mailbox) -> None:
    box.verdict = f"550 {SAYS}"


def is_busy(box: Mailbox) -> None:
    box.verdict = f"451 {SAYS}"


def stalls(box: Mailbox) -> None:
    box.hangs.set()


def drops(box: Mailbox) -> None:
    box.drops_after = "DATA"


async def written(runtime: Runtime) -> str:
    """All that the tables have of the mail, once something went wrong with it."""
    async with runtime.db.connection() as db:
        cursor = await db.execute(
            "SELECT j::text || string_agg(l::text, '') FROM formula_jobs j"
            " JOIN formula_job_log l ON l.job = j.id WHERE j.name = 'mail_notice' GROUP BY j.id"
        )
        row: tuple[str] | None = await cursor.fetchone()
    return row[0] if row else ""


@pytest.mark.parametrize(
    ("mood", "code"),
    [
        (refuses, "mail.address_refused"),
        (defers, "mail.address_deferred"),
        (dislikes, "mail.message_refused"),
        (is_busy, "mail.message_deferred"),
        (stalls, "mail.too_slow"),
        (drops, "mail.cut_off"),
    ],
)
async def test_nobodys_address_is_written_down_with_what_went_wrong(
    runtime: Runtime,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    mood: Callable[[Mailbox], None],
    code: str,
) -> None:
    if mood is stalls:
        monkeypatch.setattr(smtp, "TIMEOUT_S", 0.5)
    office, port = Office(runtime), free_port()
    with mail_server(port) as mailbox:
        mood(mailbox)
        async with working(with_smtp(settings, port)):
            await office.assigned_task()
            rows = await until(lambda: written(runtime))
    logged = "".join(capfd.readouterr())
    assert code in rows
    assert ("job_failed" in logged) == (not code.endswith("_refused"))  # the lines are seen here
    assert "@" not in rows
    assert "@" not in logged
