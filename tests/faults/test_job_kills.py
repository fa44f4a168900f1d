"""Workers, Redis, Postgres and a mail server fail in turn: what was asked for happens, all of it.

A notice is an event, so there is exactly one; a mail is where SMTP itself cannot tell, so it may
come twice where a worker or the connection was lost right after it, and that is counted.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from subprocess import Popen
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from infra.folder import free_port
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from tests.faults.children import LIMIT_S, serving, times
from tests.faults.cluster import Cache, Cluster, own_cache, own_cluster
from tests.faults.results import Counts
from tests.workers.office import Mailbox, Office, mail_server

pytestmark = [
    pytest.mark.services,
    pytest.mark.faults,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("formula up"),  # one at a time: they need the machine for themselves
]

KILLS = times(100)
EMPTIED = 5  # kills between two flushes of Redis, and between two restarts
CRASHED = 25  # between two crashes of Postgres
MOODS = ("fails", "well", "stalls", "drops", "well")
KINDS = ("notify_assigned", "mail_notice")
WORKERS = 2
ASKED = 3  # tasks assigned between two kills


class Moody(Mailbox):
    """At first it fails, stalls, or takes a mail and drops the connection, by turns."""

    def __init__(self) -> None:
        super().__init__()
        self.moods = Counter[str]()

    async def handle_DATA(  # noqa: N802, the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        turn = self.moods.total()
        mood = MOODS[turn % len(MOODS)] if turn < ASKED * KILLS / 2 else "well"
        self.moods[mood] += 1
        if mood == "fails":
            return "451 try again later"
        if mood == "stalls":
            await asyncio.sleep(1)  # longer than a worker lives here, at times
        answer = await super().handle_DATA(server, session, envelope)
        if mood == "drops" and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return answer


@pytest.fixture
async def cluster(folder: Path) -> AsyncIterator[Cluster]:
    async with own_cluster(folder.parent / "postgres") as one:
        yield one


@pytest.fixture
async def cache(folder: Path) -> AsyncIterator[Cache]:
    async with own_cache(folder.parent / "valkey") as one:
        yield one


@pytest.fixture
def mailbox() -> Iterator[tuple[Moody, int]]:
    port = free_port()
    box = Moody()
    with mail_server(port, mailbox=box):
        yield box, port


class Workers:
    """Some at a time; one that is killed is replaced."""

    def __init__(self, stack: ExitStack, settings: Settings, log: Path) -> None:
        self._stack, self._settings, self._log = stack, settings, log
        self._running: list[Popen[bytes]] = [self._started() for _ in range(WORKERS)]

    def kill(self) -> None:
        """The oldest."""
        process = self._running.pop(0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._running.append(self._started())

    def _started(self) -> Popen[bytes]:
        return self._stack.enter_context(
            serving("tests.workers.lone_worker", self._settings, self._log)
        )


async def ask(office: Office, project: UUID, ann: UUID, bob: UUID, done: int) -> None:
    """Ann gives Bob tasks; whatever Postgres does meanwhile, each once it is acknowledged."""
    for number in range(ASKED):
        task = await office.task(project, ann, f"Task {done} {number}")
        await office.assign(task, bob, ann)


async def states(runtime: Runtime) -> Counter[tuple[str, str]]:
    async with runtime.db.connection() as db:
        cursor = await db.execute("SELECT name, state FROM formula_jobs")
        return Counter(await cursor.fetchall())


async def over(runtime: Runtime, mails: int) -> bool:
    with suppress(psycopg.OperationalError):
        found = await states(runtime)
        return found == {(kind, "done"): mails for kind in KINDS}
    return False


async def at_work(runtime: Runtime, job: str, asked: int) -> None:
    """Somebody has such a job in hands, which is when to kill; or had the last of them."""
    async with asyncio.timeout(LIMIT_S):
        while not await _at_work(runtime, job, asked):  # noqa: ASYNC110, it is in Postgres
            await asyncio.sleep(0.02)


async def _at_work(runtime: Runtime, job: str, asked: int) -> bool:
    with suppress(psycopg.OperationalError):
        found = await states(runtime)
        return found[job, "running"] > 0 or found[job, "done"] == asked
    return False


async def test_all_that_was_asked_for_happens_whatever_fails(
    cluster: Cluster,
    cache: Cache,
    mailbox: tuple[Moody, int],
    tmp_path: Path,
    counts: Counts,
) -> None:
    box, port = mailbox
    settings = msgspec.structs.replace(
        cluster.settings,
        redis_url=cache.url,
        smtp_url=f"smtp://127.0.0.1:{port}",
        email_retries=50,  # a kill costs an attempt
        notifications_retries=50,
        jwt_secret="a-secret-that-is-long-enough-for-hs256",  # signs links in mails
    )
    asked = 0
    with ExitStack() as stack:
        async with open_runtime(settings) as runtime:
            office = Office(runtime)
            ann, bob = await office.person("Ann"), await office.person("Bob")
            project = await office.project(ann, bob)
            workers = Workers(stack, settings, tmp_path / "workers.log")
            for number in range(1, KILLS + 1):
                await ask(office, project, ann, bob, number)
                asked += ASKED
                await at_work(runtime, KINDS[number % len(KINDS)], asked)
                workers.kill()
                if number % EMPTIED == 0:
                    async with cache.away():
                        pass
                elif number % EMPTIED == EMPTIED // 2:
                    await cache.empty()
                if number % CRASHED == 0:
                    await cluster.crash_and_restart()
            async with asyncio.timeout(10 * LIMIT_S):
                while not await over(runtime, asked):  # noqa: ASYNC110, it is in Postgres
                    await asyncio.sleep(0.1)
            notices = await runtime.store.read(0, 10_000, types=["notification.sent.v1"])
            await told(box, runtime, asked)
    assert len(notices) == asked
    assert set(box.moods) == set(MOODS)
    counts.add(KILLS)


async def told(box: Moody, runtime: Runtime, asked: int) -> None:
    """Each mail is there; twice only as often as a mail or its worker was lost right after it."""
    async with runtime.db.connection() as db:
        cursor = await db.execute("SELECT id FROM formula_jobs WHERE name = 'mail_notice'")
        rows: list[tuple[Any]] = await cursor.fetchall()
    received = Counter(str(mail["Message-ID"]) for mail in box.received)
    assert set(received) == {f"<{job}@formula>" for (job,) in rows}
    assert len(received) == asked
    doubled = received.total() - len(received)
    assert doubled <= box.moods["drops"] + box.moods["stalls"] + KILLS * 5 * WORKERS
