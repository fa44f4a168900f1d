"""Mail: a letter becomes a message; it goes out by SMTP, or into a folder where nobody has SMTP."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.utils import format_datetime, parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from uuid import UUID

import aiosmtplib
import msgspec
from aiosmtplib import SMTPDataError, SMTPRecipientsRefused

from domain.errors import Invalid
from infra.settings import Settings, SettingsError

TIMEOUT_S = 15.0  # for each step of the talk with the server
PORTS = {"smtp": 25, "smtps": 465}
REFUSED = range(550, 554)  # answers to a whole message that no second try would change


class Letter(msgspec.Struct, frozen=True):
    """A mail to one person, the same words as text and as HTML.

    `unsubscribe`: the address that stops mails of its kind, for kinds that one can do without.
    """

    name: str
    address: str
    subject: str
    text: str
    html: str
    unsubscribe: str = ""


class _Link(UnstructuredHeader, BaseHeader):
    """On one line, however long: it would be folded by encoding it, and no link any more."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


HEADERS = HeaderRegistry()
HEADERS.map_to_type("list-unsubscribe", _Link)
POLICY = EmailPolicy(header_factory=HEADERS)


def compose(letter: Letter, job: UUID, sender: str, at: datetime) -> EmailMessage:
    """The message of a job: a retry makes one with the same Message-ID.

    Raises Invalid for an address that cannot be written to.
    """
    message = EmailMessage(POLICY)
    message["Message-ID"] = f"<{job}@formula>"
    message["Date"] = format_datetime(at)
    message["From"] = _address(*parseaddr(sender))
    message["To"] = _address(letter.name, letter.address)
    message["Subject"] = one_line(letter.subject)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    if letter.unsubscribe:
        message["List-Unsubscribe"] = f"<{letter.unsubscribe}>"  # RFC 2369, 3.2
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058, 3.1
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def one_line(text: str) -> str:
    """Without the line breaks and control characters that would start another header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _address(name: str, address: str) -> Address:
    try:
        return Address(one_line(name), addr_spec=address)
    except (ValueError, IndexError) as error:  # what `email` raises for malformed addresses
        raise Invalid("mail.bad_address") from error


class Mailer:
    """Sends letters as the settings say. Raises SettingsError for a malformed SMTP_URL."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._sender = settings.mail_from
        self._folder = settings.mailbox
        self._smtp = smtp_options(settings.smtp_url) if settings.smtp_url else None
        self._now = now

    async def send(self, letter: Letter, job: UUID) -> None:
        """Hand the letter over, or raise: then the same call may be made again.

        Raises Invalid where the server refuses the address, or the message, for good. A server that
        took the letter and was cut off before its answer came gets it twice, with the same
        Message-ID: nothing else makes a second one.
        """
        message = compose(letter, job, self._sender, self._now())
        if self._smtp is None:
            await asyncio.to_thread(_keep, self._folder, job, message)
            return
        try:
            await aiosmtplib.send(message, timeout=TIMEOUT_S, **self._smtp)
        except SMTPRecipientsRefused as error:
            if all(500 <= one.code < 600 for one in error.recipients):
                raise Invalid("mail.address_refused", answer=error.recipients[0].code) from error
            raise
        except SMTPDataError as error:
            if error.code in REFUSED:
                raise Invalid("mail.message_refused", answer=error.code) from error
            raise


def smtp_options(url: str) -> dict[str, Any]:
    """aiosmtplib's options for smtp[s]://user:password@host:port.

    Plain smtp turns to TLS where the server offers it; a password needs that, save on loopback.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise SettingsError("SMTP_URL: must be smtp[s]://user:password@host:port") from error
    if not parts.hostname:
        raise SettingsError("SMTP_URL: names no host")
    secure = parts.scheme == "smtps"
    must_turn = not secure and parts.password is not None and not _loopback(parts)
    return {
        "hostname": parts.hostname,
        "port": port,
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "use_tls": secure,
        "start_tls": False if secure else must_turn or None,
    }


def _loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _keep(folder: Path, job: UUID, message: EmailMessage) -> None:
    """One file a message, named by its job, so that a retry replaces it; whole or not there."""
    parts = folder / "tmp"
    parts.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = parts / f"{job}.eml"
    part.write_bytes(message.as_bytes())
    part.rename(folder / part.name)
