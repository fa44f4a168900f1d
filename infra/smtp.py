"""SMTP over connections that are kept for a while: to open one costs more than a mail."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from email.message import EmailMessage
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponse,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)
from aiosmtplib.typing import Default

from domain.errors import Invalid
from infra.hosts import is_loopback
from infra.settings import SettingsError

TIMEOUT_S = 15.0  # for each step of the talk with the server
QUIT_S = 1.0
GREET_S = 2.0
IDLE_S = 10.0  # less than servers bear: they cut who says nothing for longer
MAILS = 100  # of a connection: servers that spread their load want new ones now and then
PORTS = {"smtp": 25, "smtps": 465}
REFUSED = range(550, 554)  # answers to a whole message that no second try would change
REFUSALS: Mapping[type[SMTPResponseException], str] = {
    SMTPAuthenticationError: "mail.login_refused",
    SMTPSenderRefused: "mail.sender_refused",
}


class NotSent(Exception):
    """A mail did not go out, and may be tried again.

    It says no word of the server's, for that may name people; `detail` is the number that it
    answered, or what kind of error there was.
    """

    def __init__(self, code: str, detail: int | str = "") -> None:
        super().__init__(code, detail)


async def greet(options: Mapping[str, Any]) -> None:
    """Connect, as a mail would, and say that it is nothing. Raises NotSent."""
    try:
        async with SMTP(timeout=GREET_S, **options) as connection:
            await connection.noop()
    except (SMTPException, OSError, ValueError) as error:
        raise _told(error) from None


class Connections:
    """To one server; never more than there are mails at a time."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._idle: dict[_Connection, asyncio.TimerHandle] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def send(self, message: EmailMessage) -> None:
        """Raises NotSent, or Invalid where the server refuses the address or the mail for good."""
        try:
            await self._send(message)
        except (SMTPException, OSError, ValueError) as error:
            raise _told(error) from None  # what the server said stays here

    async def close(self) -> None:
        """Take leave of the server, of all that nobody uses."""
        while (connection := self._take()) is not None:
            self._leave(connection)
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def _send(self, message: EmailMessage) -> None:
        kept = self._take()
        if kept is not None:
            try:
                await self._hand_over(kept, message)
            except SMTPException:
                if kept.begun or kept.is_connected:
                    raise  # else the server was weary of it, and has nothing of the message
            else:
                return
        if self._leaving:  # they count until the server has let them go
            await asyncio.wait(self._leaving)
        fresh = _Connection(timeout=TIMEOUT_S, **self._options)
        await fresh.connect()
        await self._hand_over(fresh, message)

    async def _hand_over(self, connection: "_Connection", message: EmailMessage) -> None:
        try:
            await connection.hand_over(message)
        except (SMTPRecipientsRefused, SMTPDataError):
            self._keep(connection)  # what refuses one mail may take the next
            raise
        except BaseException:
            connection.close()
            raise
        self._keep(connection)

    def _take(self) -> "_Connection | None":
        """The one last used: so those that are too many grow old."""
        while self._idle:
            connection, timer = self._idle.popitem()
            timer.cancel()
            if connection.is_connected:
                return connection
        return None

    def _keep(self, connection: "_Connection") -> None:
        if not connection.is_connected:
            return
        if connection.mails >= MAILS:
            self._leave(connection)
            return
        loop = asyncio.get_running_loop()
        self._idle[connection] = loop.call_later(IDLE_S, self._expire, connection)

    def _expire(self, connection: "_Connection") -> None:
        del self._idle[connection]
        self._leave(connection)

    def _leave(self, connection: "_Connection") -> None:
        task = asyncio.create_task(connection.leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


class _Connection(SMTP):
    mails = 0  # that it was used for
    begun = False  # the server may have something of the message

    async def hand_over(self, message: EmailMessage) -> None:
        self.begun = False
        if self.mails:
            await self.rset()
        self.mails += 1
        await self.send_message(message)

    async def data(
        self,
        message: str | bytes,
        /,
        *,
        timeout: float | Literal[Default.token] | None = Default.token,
    ) -> SMTPResponse:
        self.begun = True
        return await super().data(message, timeout=timeout)

    async def leave(self) -> None:
        try:
            with suppress(SMTPException):
                await self.quit(timeout=QUIT_S)
        finally:
            self.close()


def _told(error: Exception) -> Exception:
    """What may be said of it."""
    match error:
        case SMTPRecipientsRefused(recipients=[one, *_]):
            if 500 <= one.code < 600:
                return Invalid("mail.address_refused", answer=one.code)
            return NotSent("mail.address_deferred", one.code)
        case SMTPDataError(code=answer):
            if answer in REFUSED:
                return Invalid("mail.message_refused", answer=answer)
            return NotSent("mail.message_deferred", answer)
        case SMTPResponseException(code=answer):
            return NotSent(REFUSALS.get(type(error), "mail.server_refused"), answer)
        case _:
            return _broken(error)


def _broken(error: Exception) -> Exception:
    match error:
        case SMTPServerDisconnected():
            return NotSent("mail.cut_off")
        case TimeoutError():
            return NotSent("mail.too_slow")
        case OSError():
            return NotSent("mail.no_connection", type(error.__cause__ or error).__name__)
        case ValueError():
            return Invalid("mail.bad_address")
        case _:
            return NotSent("mail.not_possible", type(error).__name__)


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
    must_turn = not secure and parts.password is not None and not is_loopback(parts.hostname or "")
    return {
        "hostname": parts.hostname,
        "port": port,
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "use_tls": secure,
        "start_tls": False if secure else must_turn or None,
    }
