"""Queue: whether its jobs are handed out, and what operators ask of all its jobs."""

from typing import TypeAlias, assert_never
from uuid import UUID, uuid5

import msgspec

from domain.jobs import MAX_REASON, QueueName
from domain.kernel import Command, Decider, Event
from domain.text import checked

SPACE = UUID("c0a9a0a2-5b1f-5b6e-8b1c-2f0e9a7d1c44")


class QueuePaused(Event, frozen=True, kw_only=True, tag="queue.paused.v1"):
    queue: QueueName
    reason: str = ""


class QueueResumed(Event, frozen=True, kw_only=True, tag="queue.resumed.v1"):
    queue: QueueName


class DeadRetryAsked(Event, frozen=True, kw_only=True, tag="queue.dead_retry_asked.v1"):
    """`job`: only those of this type."""

    queue: QueueName
    job: str = ""


class PauseQueue(Command, frozen=True, kw_only=True, tag="pause_queue"):
    queue: QueueName
    reason: str = ""


class ResumeQueue(Command, frozen=True, kw_only=True, tag="resume_queue"):
    queue: QueueName


class RetryDead(Command, frozen=True, kw_only=True, tag="retry_dead"):
    queue: QueueName
    job: str = ""


QueueEvent: TypeAlias = QueuePaused | QueueResumed | DeadRetryAsked
QueueCommand: TypeAlias = PauseQueue | ResumeQueue | RetryDead


class Queue(msgspec.Struct, frozen=True):
    paused: bool = False


def queue_stream(queue: QueueName) -> UUID:
    return uuid5(SPACE, queue.value)


def decide(command: QueueCommand, queue: Queue) -> list[QueueEvent]:
    match command:
        case PauseQueue(queue=name, reason=reason):
            reason = checked(reason, "queue.bad_reason", MAX_REASON, least=0)
            return [] if queue.paused else [QueuePaused(queue=name, reason=reason)]
        case ResumeQueue(queue=name):
            return [QueueResumed(queue=name)] if queue.paused else []
        case RetryDead(queue=name, job=job):
            return [
                DeadRetryAsked(queue=name, job=checked(job, "queue.bad_job", MAX_REASON, least=0))
            ]
        case _:
            assert_never(command)


def evolve(queue: Queue, event: QueueEvent) -> Queue:
    match event:
        case QueuePaused():
            return Queue(paused=True)
        case QueueResumed():
            return Queue()
        case DeadRetryAsked():
            return queue
        case _:
            assert_never(event)


QUEUE = Decider(
    name="queue",
    initial=Queue(),
    decide=decide,
    evolve=evolve,
    events=(QueuePaused, QueueResumed, DeadRetryAsked),
)
