"""What a job is: its queue, its arguments, the work itself, and the events that ask for it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from domain.job_args import QueueName
from domain.jobs import PRIORITY
from domain.kernel import Event, Recorded
from infra.mail import Mailer
from infra.runtime import Origin, Runtime
from workers.progress import EVERY_S, Progress

EMAIL = QueueName.EMAIL
REPORTS = QueueName.REPORTS
FILES = QueueName.FILES
NOTIFICATIONS = QueueName.NOTIFICATIONS
ANALYTICS = QueueName.ANALYTICS
MAINTENANCE = QueueName.MAINTENANCE

Note: TypeAlias = Callable[[int, int], None]  # done, of
T = TypeVar("T")


class Args(msgspec.Struct, frozen=True):
    """What a job is told that follows from an event. With the event's position, `key` makes it
    unique among its kind."""

    @property
    def key(self) -> str:
        return ""

    @property
    def unique(self) -> str | None:
        """None is made while another of the kind with the same text is not over."""
        return None

    @property
    def run_at(self) -> datetime | None:
        """Not before."""
        return None


class Context(msgspec.Struct, frozen=True):
    """What a job works with."""

    runtime: Runtime
    mail: Mailer
    job: UUID
    position: int  # of the event that asked for the job
    correlation_id: UUID | None
    owner: UUID | None = None  # who did what led to it
    progress: Progress | None = None  # None: nobody is told

    async def report(self, done: int, total: int) -> None:
        """How far the job is: for its row, and for its owner's room."""
        if self.progress is not None:
            await self.progress.report(done, total)

    async def log(self, line: str) -> None:
        """A line for whoever looks at the job: no secrets, no addresses."""
        if self.progress is not None:
            await self.progress.log(line)

    async def followed(self, work: Callable[[Note], Coroutine[Any, Any, T]]) -> T:
        """Its result; it notes how far it is, and waits for nobody to hear of it."""
        far = (0, 0)

        def note(done: int, total: int) -> None:
            nonlocal far
            far = (done, total)

        working = asyncio.create_task(work(note))
        try:
            while not working.done():
                await asyncio.wait({working}, timeout=EVERY_S)
                await self.report(*far)
            return working.result()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    @property
    def origin(self) -> Origin:
        """The system, because of that event."""
        return Origin(causation=self.position, correlation_id=self.correlation_id)


A = TypeVar("A", bound=msgspec.Struct)


def _nothing(_recorded: Recorded[Any]) -> list[Any]:
    """No event asks for it: people and schedules do (domain/jobs.py)."""
    return []


class Job(msgspec.Struct, Generic[A], frozen=True):
    """A kind of job. `run` may run more than once: whatever it does must bear that.

    What `run` returns is kept with the job as its result.
    """

    name: str
    queue: QueueName
    args: type[A]
    run: Callable[[Context, A], Awaitable[msgspec.Struct | None]]
    events: tuple[type[Event], ...] = ()
    react: Callable[[Recorded[Any]], list[A]] = _nothing
    timeout_s: float = 60.0
    priority: int = PRIORITY
