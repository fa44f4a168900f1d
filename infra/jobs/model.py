"""What a job is in its row: the one truth about it. Redis only wakes who may claim it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.jobs import PRIORITY

NAMESPACE = UUID("6f3c5d0e-6d1c-5b1a-9a53-0c6a3a4f5014")
CONSUMER = "jobs"  # of the log: its checkpoint says what became rows
MAX_ERROR = 2_000  # characters


class JobState(StrEnum):
    QUEUED = "queued"  # waits for its turn, and for its time
    BLOCKED = "blocked"  # waits for other jobs
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"  # a rule of the domain said no: done, and not worth a retry
    CANCELLED = "cancelled"
    DEAD = "dead"  # out of attempts, or never runnable


OVER = (JobState.DONE, JobState.REFUSED, JobState.CANCELLED, JobState.DEAD)


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to be; without a `stream` the same consumer, position, name and key is the same job."""

    queue: str
    name: str
    consumer: str
    position: int
    key: str
    args: Mapping[str, Any]
    max_attempts: int
    run_at: datetime | None = None  # None: at once
    priority: int = PRIORITY
    singleton: str | None = None  # none is made while another of this name and text is not over
    needs: tuple[UUID, ...] = ()  # jobs that must be done before
    anyway: bool = False  # `needs` must be over, however they ended
    batch: UUID | None = None
    correlation_id: UUID | None = None
    span: int | None = None  # of the command that led to it
    owner: UUID | None = None  # who did what led to it
    error: str | None = None  # given: dead from the start, for operators to see
    stream: UUID | None = None  # of the request for it

    @property
    def id(self) -> UUID:
        if self.stream is not None:
            return self.stream
        return uuid5(NAMESPACE, f"{self.consumer}/{self.position}/{self.name}/{self.key}")


class Claim(msgspec.Struct, frozen=True):
    """A job that this worker may run until its lease ends."""

    id: UUID
    queue: str
    name: str
    position: int
    args: Any
    correlation_id: UUID | None
    owner: UUID | None
    attempt: int
    asked: bool
    span: int | None = None  # of the command that led to it


class End(msgspec.Struct, frozen=True):
    """How an attempt ended. `retry`: run again after a while, dead after the last attempt."""

    id: UUID
    attempt: int
    state: JobState = JobState.DONE
    error: str | None = None
    retry: bool = False
    result: bytes | None = None  # JSON


def short(error: str | None) -> str | None:
    """As Postgres can store it."""
    if error is None:
        return None
    return error.replace("\x00", "").encode(errors="replace").decode()[:MAX_ERROR]
