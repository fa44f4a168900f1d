"""Letters on their way: as messages, into a folder, and to a real SMTP server."""

import ssl
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from aiosmtplib.email import flatten_message
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from domain.errors import Invalid
from infra.folder import free_port
from infra.mail import Letter, Mailer, compose
from infra.settings import Settings, SettingsError
from infra.smtp import NotSent, smtp_options
from tests.workers.office import AT, mail_server

JOB = UUID(int=5)
LOOPBACK = ip_address("127.0.0.1")
SENDER = "Formula <no-reply@example.com>"
LETTER = Letter("Bob", "bob@example.com", "A task", "Hello Bob", "<p>Hello Bob</p>")


def parts(message: EmailMessage) -> list[str]:
    return [part.get_content_type() for part in message.walk()]


def folder_mailer(folder: Path) -> Mailer:
    return Mailer(Settings(mail_folder=str(folder), mail_from=SENDER), lambda: AT)


async def send(port: int, letter: Letter = LETTER) -> None:
    settings = Settings(smtp_url=f"smtp://127.0.0.1:{port}", mail_from=SENDER)
    async with Mailer(settings, lambda: AT) as mailer:
        await mailer.send(letter, JOB)


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


def test_how_to_unsubscribe_is_a_header_of_one_line_however_long() -> None:
    link = f"https://formula.department.company.example.com/unsubscribe?token={'A' * 82}"
    wire = flatten_message(
        compose(msgspec.structs.replace(LETTER, unsubscribe=link), JOB, SENDER, AT)
    )
    lines = wire.split(b"\r\n")
    assert f"List-Unsubscribe: <{link}>".encode() in lines
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines


def test_what_one_cannot_do_without_has_no_such_header() -> None:
    message = compose(LETTER, JOB, SENDER, AT)
    assert not [name for name in message if name.startswith("List-")]


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
        await send(port, unicode)
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
            await send(port)
    assert refused.value.code == "mail.address_refused"


async def test_an_address_that_the_server_refuses_for_now_is_an_error() -> None:
    port = free_port()
    with mail_server(port) as mailbox:
        mailbox.answer = "450 come back later"
        with pytest.raises(NotSent) as deferred:
            await send(port)
    assert deferred.value.args == ("mail.address_deferred", 450)


@pytest.mark.parametrize("answer", ["550 spam", "552 too much", "553 no such name"])
async def test_a_message_that_the_server_refuses_for_good_is_not_tried_again(answer: str) -> None:
    port = free_port()
    with mail_server(port) as mailbox:
        mailbox.verdict = answer
        with pytest.raises(Invalid) as refused:
            await send(port)
    assert (refused.value.code, refused.value.detail) == (
        "mail.message_refused",
        {"answer": int(answer[:3])},
    )


@pytest.mark.parametrize("answer", ["451 later", "421 busy", "554 sender not verified"])
async def test_a_message_that_is_refused_for_now_or_for_us_is_an_error(answer: str) -> None:
    """What is wrong with the sender is for operators to mend, and then to retry."""
    port = free_port()
    with mail_server(port) as mailbox:
        mailbox.verdict = answer
        with pytest.raises(NotSent) as deferred:
            await send(port)
    assert deferred.value.args == ("mail.message_deferred", int(answer[:3]))


async def test_a_server_that_is_gone_once_it_has_answered_has_the_letter() -> None:
    port = free_port()
    with mail_server(port) as mailbox:
        mailbox.drops_after = "QUIT"
        await send(port)
    assert mailbox.drops_after == ""
    assert len(mailbox.received) == 1


async def test_a_letter_whose_answer_was_lost_comes_again_as_the_same_message() -> None:
    port = free_port()
    with mail_server(port) as mailbox:
        mailbox.drops_after = "DATA"
        with pytest.raises(NotSent) as cut:
            await send(port)
        await send(port)
    assert cut.value.args == ("mail.cut_off", "")
    assert [mail["Message-ID"] for mail in mailbox.received] == [f"<{JOB}@formula>"] * 2


# Over TLS, with a password


class Authority(msgspec.Struct, frozen=True):
    """A certificate of 127.0.0.1 that signs itself, and the file to trust it by."""

    file: Path
    server: ssl.SSLContext


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file, keyfile = tmp_path / "mail.crt", tmp_path / "mail.key"
    file.write_bytes(certificate.public_bytes(pem))
    keyfile.write_bytes(secret)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file, keyfile)
    return Authority(file, server)


async def log_in_and_send(port: int, *, knows: bool = True) -> None:
    password = "p%3Aw" if knows else "guess"
    url = f"smtp://me%40x.org:{password}@127.0.0.1:{port}"
    async with Mailer(Settings(smtp_url=url, mail_from=SENDER), lambda: AT) as mailer:
        await mailer.send(LETTER, JOB)


async def test_who_has_a_password_turns_to_tls_before_saying_it(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    port = free_port()
    with mail_server(port, authority.server) as mailbox:
        await log_in_and_send(port)
    assert mailbox.logins == [(b"me@x.org", True)]
    assert len(mailbox.received) == 1


async def test_a_server_whose_certificate_nobody_vouches_for_hears_no_password(
    authority: Authority,
) -> None:
    port = free_port()
    with mail_server(port, authority.server) as mailbox, pytest.raises(NotSent) as refused:
        await log_in_and_send(port)
    assert refused.value.args == ("mail.no_connection", "SSLCertVerificationError")
    assert mailbox.logins == []
    assert mailbox.received == []


async def test_a_wrong_password_is_an_error_that_is_tried_again(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    port = free_port()
    with mail_server(port, authority.server) as mailbox, pytest.raises(NotSent) as refused:
        await log_in_and_send(port, knows=False)
    assert refused.value.args == ("mail.login_refused", 535)
    assert mailbox.received == []


async def test_no_server_is_an_error() -> None:
    with pytest.raises(NotSent) as failed:
        await send(free_port())
    assert failed.value.args == ("mail.no_connection", "ConnectionRefusedError")


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
