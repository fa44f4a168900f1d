"""Letters on their way: as messages, into a folder, and to a real SMTP server."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from aiosmtplib import SMTPException

from domain.errors import Invalid
from infra.mail import Letter, Mailer, compose, smtp_options
from infra.settings import Settings, SettingsError
from tests.workers.office import AT, free_port, mail_server

JOB = UUID(int=5)
SENDER = "Formula <no-reply@example.com>"
LETTER = Letter("Bob", "bob@example.com", "A task", "Hello Bob", "<p>Hello Bob</p>")


def parts(message: EmailMessage) -> list[str]:
    return [part.get_content_type() for part in message.walk()]


def folder_mailer(folder: Path) -> Mailer:
    return Mailer(Settings(mail_folder=str(folder), mail_from=SENDER), lambda: AT)


def smtp_mailer(port: int) -> Mailer:
    return Mailer(Settings(smtp_url=f"smtp://127.0.0.1:{port}", mail_from=SENDER), lambda: AT)


def test_a_message_says_the_same_as_text_and_as_html() -> None:
    message = compose(LETTER, JOB, SENDER, AT)
    assert parts(message) == ["multipart/alternative", "text/plain", "text/html"]
    assert message["To"] == "Bob <bob@example.com>"
    assert message["From"] == SENDER
    assert message["Date"] == "Mon, 04 May 2026 09:30:00 +0000"


def test_a_retry_is_the_same_message() -> None:
    ids = {compose(LETTER, JOB, SENDER, AT)["Message-ID"] for _ in range(2)}
    assert ids == {f"<{JOB}@formula>"}


def test_names_and_subjects_start_no_header_of_their_own() -> None:
    evil = msgspec.structs.replace(
        LETTER, name="Bob\r\nBcc: eve@example.com", subject="Hi\nBcc: eve@example.com\x00\u2028x"
    )
    sent = message_from_bytes(compose(evil, JOB, SENDER, AT).as_bytes(), policy=policy.default)
    assert sent["Bcc"] is None
    assert sent["Subject"] == "Hi Bcc: eve@example.com x"
    assert sent["To"].addresses[0].addr_spec == "bob@example.com"


@pytest.mark.parametrize("address", ["", "bob", "bob@", "a b@example.com", "bob@x\r\nBcc: e@x.y"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(Invalid) as refused:
        compose(msgspec.structs.replace(LETTER, address=address), JOB, SENDER, AT)
    assert refused.value.code == "mail.bad_address"


async def test_without_smtp_a_message_is_a_file_that_a_retry_replaces(tmp_path: Path) -> None:
    mailer = folder_mailer(tmp_path / "mail")
    await mailer.send(LETTER, JOB)
    await mailer.send(msgspec.structs.replace(LETTER, subject="Later"), JOB)
    files = [path for path in (tmp_path / "mail").rglob("*") if path.is_file()]
    assert files == [tmp_path / "mail" / f"{JOB}.eml"]
    kept = message_from_bytes(files[0].read_bytes(), policy=policy.default)
    assert kept["Subject"] == "Later"


async def test_a_letter_reaches_a_server() -> None:
    port = free_port()
    unicode = msgspec.structs.replace(LETTER, name="Zoë", subject="Brücke „links“", text="naïve")
    with mail_server(port) as mailbox:
        await smtp_mailer(port).send(unicode, JOB)
    (received,) = mailbox.received
    assert received["Subject"] == "Brücke „links“"
    assert received["To"].addresses[0].display_name == "Zoë"
    body = received.get_body(("plain",))
    assert body is not None
    assert body.get_content().strip() == "naïve"


async def test_an_address_that_the_server_refuses_for_good_is_not_tried_again() -> None:
    port = free_port()
    with mail_server(port) as mailbox:
        mailbox.answer = "550 no such person"
        with pytest.raises(Invalid) as refused:
            await smtp_mailer(port).send(LETTER, JOB)
    assert refused.value.code == "mail.address_refused"


async def test_an_address_that_the_server_refuses_for_now_is_an_error() -> None:
    port = free_port()
    with mail_server(port) as mailbox:
        mailbox.answer = "450 come back later"
        with pytest.raises(SMTPException):
            await smtp_mailer(port).send(LETTER, JOB)


async def test_no_server_is_an_error() -> None:
    with pytest.raises(SMTPException):
        await smtp_mailer(free_port()).send(LETTER, JOB)


def test_an_address_of_a_server_is_read_whole() -> None:
    options = smtp_options("smtps://me%40x.org:p%3Aw@mail.example.com:4650")
    assert options["hostname"] == "mail.example.com"
    assert options["port"] == 4650
    assert (options["username"], options["password"]) == ("me@x.org", "p:w")
    assert (options["use_tls"], options["start_tls"]) == (True, False)


def test_plain_smtp_turns_to_tls_where_it_can_and_must_before_a_password() -> None:
    assert smtp_options("smtp://mail.example.com")["start_tls"] is None
    assert smtp_options("smtp://mail.example.com")["port"] == 25
    assert smtp_options("smtp://me:pw@mail.example.com")["start_tls"] is True
    assert smtp_options("smtp://me:pw@127.0.0.1")["start_tls"] is None
    assert smtp_options("smtp://me:pw@localhost")["start_tls"] is None


@pytest.mark.parametrize(
    "url", ["mail.example.com", "http://mail.example.com", "smtp://", "smtp://h:x"]
)
def test_a_malformed_address_of_a_server_is_said_at_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="SMTP_URL"):
        Mailer(Settings(smtp_url=url), lambda: AT)
