"""What a job is: a queue, its arguments, a pure `react` that asks for it, and the work itself."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from domain.kernel import Event, Recorded
from infra.mail import Mailer
from infra.runtime import Origin, Runtime
from workers.progress import Progress


class Queue(msgspec.Struct, frozen=True):
    """Jobs with the same needs. `concurrency` is of one worker process."""

    name: str
    concurrency: int
    retries: int

    @property
    def max_attempts(self) -> int:
        return self.retries + 1


EMAIL = Queue("email", concurrency=5, retries=3)
REPORTS = Queue("reports", concurrency=2, retries=2)
FILES = Queue("files", concurrency=3, retries=3)
NOTIFICATIONS = Queue("notifications", concurrency=10, retries=5)
ANALYTICS = Queue("analytics", concurrency=1, retries=2)
MAINTENANCE = Queue("maintenance", concurrency=1, retries=2)

QUEUES = (EMAIL, REPORTS, FILES, NOTIFICATIONS, ANALYTICS, MAINTENANCE)


class Args(msgspec.Struct, frozen=True):
    """What a job is told. With the event's position, `key` makes it unique among its kind."""

    @property
    def key(self) -> str:
        return ""


class Context(msgspec.Struct, frozen=True):
    """What a job works with."""

    runtime: Runtime
    mail: Mailer
    job: UUID
    position: int  # of the event that asked for the job
    correlation_id: UUID | None
    progress: Progress | None = None  # None: nobody is told

    async def report(self, done: int, total: int) -> None:
        """How far the job is: for its row, and for its owner's room."""
        if self.progress is not None:
            await self.progress.report(done, total)

    @property
    def origin(self) -> Origin:
        """The system, because of that event."""
        return Origin(causation=self.position, correlation_id=self.correlation_id)


A = TypeVar("A", bound=Args)


class Job(msgspec.Struct, Generic[A], frozen=True):
    """A kind of job. `run` may run more than once: whatever it does must bear that."""

    name: str
    queue: Queue
    args: type[A]
    events: tuple[type[Event], ...]
    react: Callable[[Recorded[Any]], list[A]]
    run: Callable[[Context, A], Awaitable[None]]
    timeout_s: float = 60.0
