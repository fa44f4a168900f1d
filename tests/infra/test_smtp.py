"""Connections to a mail server are kept, given back, and replaced, and no mail is doubled."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from domain.errors import Invalid
from infra import smtp
from infra.folder import free_port
from infra.mail import Mailer
from infra.settings import Settings
from infra.smtp import NotSent
from tests.infra.test_mail import LETTER, SENDER
from tests.workers.office import AT, Mailbox, mail_server, until

BYE = "421 no more from you"
DROP = "drops"


class Weary(Mailbox):
    """Has enough of a connection that has brought a mail: says so at `command`, or drops it."""

    def __init__(self, command: str = "", how: str = BYE) -> None:
        super().__init__()
        self.command, self.how = command, how
        self.connections: set[object] = set()
        self.left: set[object] = set()
        self.servers: list[SMTP] = []

    def _at(self, command: str, server: SMTP, session: Session) -> str | None:
        if session.peer not in self.connections:
            self.connections.add(session.peer)
            self.servers.append(server)
        if command != self.command or session.peer not in self.peers:
            return None
        if self.how == DROP:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return BYE

    async def handle_RSET(  # noqa: N802, the name that aiosmtpd calls
        self, server: SMTP, session: Session, _envelope: Envelope
    ) -> str:
        return self._at("RSET", server, session) or "250 OK"

    async def handle_MAIL(  # noqa: N802, the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        answer = self._at("MAIL", server, session)
        if answer is None:
            envelope.mail_from = address
        return answer or "250 OK"

    async def handle_RCPT(  # noqa: N802, the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        answer = self._at("RCPT", server, session)
        return answer or await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_QUIT(  # noqa: N802, the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.left.add(session.peer)
        return await super().handle_QUIT(server, session, envelope)


def mailer(port: int) -> Mailer:
    return Mailer(Settings(smtp_url=f"smtp://127.0.0.1:{port}", mail_from=SENDER), lambda: AT)


async def send(mails: Mailer, *jobs: int) -> None:
    for job in jobs:
        await mails.send(LETTER, UUID(int=job))


def when(condition: Callable[[], bool]) -> Awaitable[bool]:
    async def look() -> bool:
        return condition()

    return until(look)


def received(box: Mailbox) -> list[str]:
    return [str(mail["Message-ID"]) for mail in box.received]


def ids(*jobs: int) -> list[str]:
    return [f"<{UUID(int=job)}@formula>" for job in jobs]


async def test_mails_go_one_after_another_by_one_connection() -> None:
    port = free_port()
    with mail_server(port, mailbox=Weary()) as box:
        async with mailer(port) as mails:
            await send(mails, 1, 2, 3)
    assert received(box) == ids(1, 2, 3)
    assert len(set(box.peers)) == 1


async def test_there_are_as_many_connections_as_mails_at_a_time() -> None:
    port, box = free_port(), Weary()
    with mail_server(port, mailbox=box):
        async with mailer(port) as mails:
            await asyncio.gather(*(send(mails, *range(start, 30, 3)) for start in range(3)))
    assert sorted(received(box)) == sorted(ids(*range(30)))
    assert len(box.connections) == 3
    assert box.left == box.connections  # all said good-bye at the end


async def test_a_connection_is_used_for_so_many_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "MAILS", 2)
    port, box = free_port(), Weary()
    with mail_server(port, mailbox=box):
        async with mailer(port) as mails:
            await send(mails, 1, 2, 3, 4, 5)
    assert [box.peers.count(peer) for peer in dict.fromkeys(box.peers)] == [2, 2, 1]
    assert box.left == box.connections


async def test_one_that_nobody_uses_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "IDLE_S", 0.05)
    port, box = free_port(), Weary()
    with mail_server(port, mailbox=box):
        async with mailer(port) as mails:
            await send(mails, 1)
            assert await when(lambda: box.left == set(box.peers))
            await send(mails, 2)
    assert len(box.connections) == 2


@pytest.mark.parametrize("how", [BYE, DROP])
@pytest.mark.parametrize("command", ["RSET", "MAIL", "RCPT"])
async def test_a_server_that_wants_no_more_by_a_connection_gets_the_mail_by_another(
    command: str, how: str
) -> None:
    port, box = free_port(), Weary(command, how)
    with mail_server(port, mailbox=box):
        async with mailer(port) as mails:
            await send(mails, 1, 2, 3)
    assert received(box) == ids(1, 2, 3)
    assert len(set(box.peers)) == len(box.connections) == 3


async def test_a_server_that_has_closed_it_meanwhile_gets_the_mail_by_another() -> None:
    port, box = free_port(), Weary()
    with mail_server(port, mailbox=box):
        async with mailer(port) as mails:
            await send(mails, 1)
            (server,) = box.servers
            transport = server.transport
            assert isinstance(transport, asyncio.Transport)
            server.loop.call_soon_threadsafe(transport.abort)
            assert await when(transport.is_closing)
            await send(mails, 2)
    assert received(box) == ids(1, 2)
    assert len(set(box.peers)) == 2


async def test_a_mail_that_was_cut_off_once_it_was_said_is_not_said_again() -> None:
    port, box = free_port(), Weary()
    with mail_server(port, mailbox=box):
        async with mailer(port) as mails:
            await send(mails, 1)
            box.drops_after = "DATA"
            with pytest.raises(NotSent, match="cut_off"):
                await send(mails, 2)
    assert received(box) == ids(1, 2)
    assert len(box.connections) == 1


async def test_a_server_that_wants_no_mail_at_all_is_asked_once_more() -> None:
    port, box = free_port(), Weary()
    with mail_server(port, mailbox=box):
        async with mailer(port) as mails:
            await send(mails, 1)
            box.answer = BYE
            with pytest.raises(NotSent) as deferred:
                await send(mails, 2)
    assert deferred.value.args == ("mail.address_deferred", 421)
    assert len(box.connections) == 2


async def test_a_connection_outlives_the_refusal_of_a_mail() -> None:
    port, box = free_port(), Weary()
    with mail_server(port, mailbox=box):
        async with mailer(port) as mails:
            box.answer = "550 no such person"
            with pytest.raises(Invalid):
                await send(mails, 1)
            box.answer, box.verdict = "250 OK", "451 later"
            with pytest.raises(NotSent):
                await send(mails, 2)
            box.verdict = "250 OK"
            await send(mails, 3)
    assert received(box) == ids(3)
    assert len(box.connections) == 1


async def test_a_connection_whose_mail_was_given_up_is_used_no_more() -> None:
    port, box = free_port(), Weary()
    with mail_server(port, mailbox=box):
        async with mailer(port) as mails:
            await send(mails, 1)
            box.hangs.set()
            stuck = asyncio.create_task(send(mails, 2))
            assert await when(box.hung.is_set)
            stuck.cancel()
            await asyncio.wait([stuck])
            await send(mails, 3)
    assert received(box) == ids(1, 3)
    assert len(set(box.peers)) == 2


async def test_a_server_that_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT_S", 0.2)
    port, box = free_port(), Weary()
    with mail_server(port, mailbox=box):
        box.hangs.set()
        async with mailer(port) as mails:
            with pytest.raises(NotSent) as slow:
                await send(mails, 1)
    assert slow.value.args == ("mail.too_slow", "")


class Silent(Weary):
    """Never answers a good-bye."""

    async def handle_QUIT(  # noqa: N802, the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        await super().handle_QUIT(server, session, envelope)
        await asyncio.Event().wait()
        return BYE


async def test_who_leaves_does_not_wait_for_ever_for_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtp, "QUIT_S", 0.2)
    port, box = free_port(), Silent()
    with mail_server(port, mailbox=box):
        async with asyncio.timeout(10), mailer(port) as mails:
            await send(mails, 1)
    assert box.left == set(box.peers)
    (server,) = box.servers
    assert await when(lambda: server.transport is None or server.transport.is_closing())


class Counting(Silent):
    """How many connections it had at most, as mails began."""

    most = 0

    async def handle_MAIL(  # noqa: N802, the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        answer = await super().handle_MAIL(server, session, envelope, address, options)
        self.most = max(self.most, sum(map(is_open, self.servers)))
        return answer


def is_open(server: SMTP) -> bool:
    return server.transport is not None and not server.transport.is_closing()


async def test_one_that_is_being_left_counts_until_it_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtp, "MAILS", 1)
    monkeypatch.setattr(smtp, "QUIT_S", 0.2)
    port, box = free_port(), Counting()
    with mail_server(port, mailbox=box):
        async with mailer(port) as mails:
            await send(mails, 1, 2, 3)
    assert (len(box.received), box.most) == (3, 1)
