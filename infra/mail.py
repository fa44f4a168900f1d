"""Mail: a letter becomes a message; it goes out by SMTP, or into a folder where nobody has SMTP."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.utils import format_datetime, parseaddr
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import msgspec

from domain.errors import Invalid
from infra.settings import Settings
from infra.smtp import Connections, smtp_options


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


class _Headers(HeaderRegistry):
    """Makes a header's class once: one for each header was half of what a message costs."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, type[BaseHeader]] = {}

    def __getitem__(self, name: str) -> type[BaseHeader]:
        if name not in self._made:
            self._made[name] = super().__getitem__(name)
        return self._made[name]


HEADERS = _Headers()
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
    """Sends letters as the settings say. Raises SettingsError for a malformed SMTP_URL.

    As a context it takes leave of the mail server at the end.
    """

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._sender = settings.mail_from
        self._folder = settings.mailbox
        url = settings.smtp_url
        self._connections = Connections(smtp_options(url)) if url else None
        self._now = now

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._connections is not None:
            await self._connections.close()

    async def send(self, letter: Letter, job: UUID) -> None:
        """Hand the letter over, or raise: then the same call may be made again.

        Raises Invalid where the server refuses the address, or the message, for good, else NotSent.
        A server that took the letter and was cut off before its answer came gets it twice, with the
        same Message-ID: nothing else makes a second one.
        """
        message = compose(letter, job, self._sender, self._now())
        if self._connections is None:
            await asyncio.to_thread(_keep, self._folder, job, message)
        else:
            await self._connections.send(message)


def _keep(folder: Path, job: UUID, message: EmailMessage) -> None:
    """One file a message, named by its job, so that a retry replaces it; whole or not there."""
    parts = folder / "tmp"
    parts.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = parts / f"{job}.eml"
    part.write_bytes(message.as_bytes())
    part.rename(folder / part.name)
