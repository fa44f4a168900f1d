"""People who work on a task, a worker in this process, a mail server that keeps its mail."""

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, TypeVar
from uuid import UUID

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from domain.project import PROJECT, AddMember, CreateProject, ProjectRole
from domain.task import TASK, AddComment, AssignTask, CreateTask
from domain.user import USER, RegisterUser, Role
from infra.jobs.reading import Filter, JobRow, list_jobs
from infra.jobs.working import Times
from infra.runtime import Origin, Runtime
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


class Mailbox:
    """What a mail server does with mail: keeps it, unless told to hang or to refuse."""

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.hangs = threading.Event()  # set: the next mail is never answered
        self.hung = threading.Event()
        self.answer = "250 OK"

    async def handle_RCPT(  # noqa: N802, the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(  # noqa: N802, the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self.hangs.is_set():
            self.hangs.clear()
            self.hung.set()
            await asyncio.Event().wait()
        assert isinstance(envelope.content, bytes)
        self.received.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mail_server(port: int) -> Generator[Mailbox]:
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
