"""People who work on a task, a worker in this process, a mail server that keeps its mail."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from ssl import SSLContext
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from domain.job_args import AnyArgs
from domain.jobs import JOB, RequestJob, Wanted
from domain.project import PROJECT, AddMember, CreateProject, ProjectRole
from domain.task import TASK, AddComment, AssignTask, CreateTask
from domain.user import USER, RegisterUser, Role
from infra.eventstore.reader import reached
from infra.jobs.model import CONSUMER
from infra.jobs.reading import Filter, JobRow, get_job, list_jobs
from infra.jobs.working import Times
from infra.runtime import SYSTEM, Origin, Runtime
from infra.settings import Settings
from workers.main import run_worker
from workers.model import Job
from workers.registry import JOBS
from workers.runner import Tuning

AT = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
LIMIT_S = 25.0
QUICK = Tuning(Times(lease_s=1.0, retry_base_s=0.2), stop_s=2.0)

T = TypeVar("T")


async def until(condition: Callable[[], Awaitable[T]]) -> T:
    """The first true answer."""
    async with asyncio.timeout(LIMIT_S):
        while not (answer := await condition()):  # noqa: ASYNC110, what is waited for is in Postgres
            await asyncio.sleep(0.02)
    return answer


class Office:
    """Does commands in people's names."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def person(self, name: str, role: Role = Role.MEMBER) -> UUID:
        user = self.runtime.new_id()
        email = f"{name.lower().replace(' ', '.')}@example.com"
        command = RegisterUser(email=email, name=name, role=role, at=AT)
        await self.runtime.execute(Origin(), USER, user, command)
        return user

    async def project(self, manager: UUID, *contributors: UUID) -> UUID:
        project, origin = self.runtime.new_id(), Origin(manager)
        create = CreateProject(name="Bridge", manager=manager, at=AT)
        await self.runtime.execute(origin, PROJECT, project, create)
        for user in contributors:
            add = AddMember(user=user, role=ProjectRole.CONTRIBUTOR)
            await self.runtime.execute(origin, PROJECT, project, add)
        return project

    async def task(self, project: UUID, by: UUID, title: str = "Draw the arch") -> UUID:
        task = self.runtime.new_id()
        create = CreateTask(project=project, title=title, at=AT)
        await self.runtime.execute(Origin(by), TASK, task, create, project=project)
        return task

    async def assign(self, task: UUID, to: UUID, by: UUID) -> None:
        await self.runtime.execute(Origin(by), TASK, task, AssignTask(assignee=to))

    async def comment(self, task: UUID, by: UUID, body: str, *mentions: UUID) -> None:
        comment = self.runtime.new_id()
        add = AddComment(comment=comment, author=by, body=body, mentions=mentions, at=AT)
        await self.runtime.execute(Origin(by), TASK, task, add)

    async def assigned_task(self) -> UUID:
        """Ann gave a new task to Bob; returns Bob."""
        ann, bob = await self.person("Ann Lee"), await self.person("Bob")
        task = await self.task(await self.project(ann, bob), ann)
        await self.assign(task, bob, ann)
        return bob

    async def done(self, args: AnyArgs, result: type[T]) -> T:
        """What the job came to, once a worker has done it."""
        asked, wanted = self.runtime.new_id(), Wanted(args=args)
        await self.runtime.execute(SYSTEM, JOB, asked, RequestJob(wanted=wanted))

        async def over() -> JobRow | None:
            async with self.runtime.db.connection() as db:
                row = await get_job(db, asked)
            return row if row and row.finished_at else None

        row = await until(over)
        assert row is not None
        assert row.state == "done", row.error
        return msgspec.convert(row.result, result)

    async def jobs(self, name: str) -> Sequence[JobRow]:
        async with self.runtime.db.connection() as db:
            return await list_jobs(db, Filter(name=name), limit=200)

    async def ended(self, name: str, jobs: int = 1) -> Sequence[JobRow]:
        """All jobs of that name, once there are so many and none is waiting or running."""

        async def look() -> Sequence[JobRow]:
            rows = await self.jobs(name)
            over = all(row.finished_at is not None for row in rows)
            return rows if over and len(rows) >= jobs else []

        return await until(look)


@asynccontextmanager
async def working(
    settings: Settings, tuning: Tuning = QUICK, kinds: Sequence[Job[Any]] = JOBS
) -> AsyncGenerator[None]:
    """A whole worker, in this process."""
    async with asyncio.TaskGroup() as tasks:  # a worker that fails ends the test, with its error
        worker = tasks.create_task(run_worker(settings, tuning=tuning, kinds=kinds))
        yield
        worker.cancel()


@asynccontextmanager
async def at_work(runtime: Runtime) -> AsyncGenerator[None]:
    """The same, once it leads and has come to the end of the log: what is asked for is applied."""
    async with working(runtime.settings):
        assert await reached(runtime.db, CONSUMER, await runtime.store.head(), LIMIT_S)
        yield


class Mailbox:
    """What a mail server does with mail: keeps it, unless told to hang or to refuse."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.peers: list[Any] = []  # by which connection each came
        self.logins: list[tuple[bytes, bool]] = []  # who, and whether by TLS
        self.hangs = threading.Event()  # set: the next mail is never answered
        self.hung = threading.Event()
        self.answer = "250 OK"
        self.verdict = "250 OK"  # on the whole message
        self.drops_after = ""  # the command whose answer is never sent

    def __call__(
        self, _server: SMTP, session: Session, _envelope: Envelope, _mechanism: str, login: Any
    ) -> AuthResult:
        """aiosmtpd's authenticator."""
        self.logins.append((login.login, session.ssl is not None))
        return AuthResult(success=login.password == b"p:w", handled=False)

    async def handle_RCPT(  # noqa: N802, the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(  # noqa: N802, the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.hangs.is_set():
            self.hangs.clear()
            self.hung.set()
            await asyncio.Event().wait()
        if not self.verdict.startswith("250"):
            return self.verdict
        assert isinstance(envelope.content, bytes)
        self.raw.append(envelope.content)
        self.peers.append(session.peer)
        self.received.append(message_from_bytes(envelope.content, policy=policy.default))
        self._drop(server, "DATA")
        return self.verdict

    async def handle_QUIT(  # noqa: N802, the name that aiosmtpd calls
        self, server: SMTP, _session: Session, _envelope: Envelope
    ) -> str:
        self._drop(server, "QUIT")
        return "221 Bye"

    def _drop(self, server: SMTP, command: str) -> None:
        """Once."""
        if self.drops_after == command:
            self.drops_after = ""
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()


@contextmanager
def mail_server(
    port: int, tls: SSLContext | None = None, mailbox: Mailbox | None = None
) -> Generator[Mailbox]:
    """With `tls`, it takes mail only by STARTTLS and from who has logged in."""
    mailbox = mailbox or Mailbox()
    guarded: dict[str, Any] = {
        "tls_context": tls,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": mailbox,
    }
    options = guarded if tls else {}
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
