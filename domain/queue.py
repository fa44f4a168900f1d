"""Queue: whether its jobs are handed out, what is asked of all its jobs, what is wrong with it."""

from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID, uuid5

import msgspec

from domain.job_args import QueueName
from domain.jobs import MAX_REASON
from domain.kernel import Command, Decider, Event
from domain.text import checked

MORE = 10  # times as many dead jobs as were told of are told again
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


class DeadDiscardAsked(Event, frozen=True, kw_only=True, tag="queue.dead_discard_asked.v1"):
    """Nobody will try them again. `job`: only those of this type."""

    queue: QueueName
    reason: str
    job: str = ""


class Alarm(StrEnum):
    DEAD = "dead"  # there are jobs that nobody will try again
    LATE = "late"  # a job that is due has waited for too long
    UNSERVED = "unserved"  # jobs are due, and no worker listens


class QueueAlarmed(Event, frozen=True, kw_only=True, tag="queue.alarmed.v1"):
    """`dead`, `due`: how many jobs are; `oldest_s`: how long the first has waited."""

    queue: QueueName
    alarm: Alarm
    dead: int = 0
    due: int = 0
    oldest_s: int = 0


class QueueCalmed(Event, frozen=True, kw_only=True, tag="queue.calmed.v1"):
    queue: QueueName
    alarm: Alarm


class PauseQueue(Command, frozen=True, kw_only=True, tag="pause_queue"):
    queue: QueueName
    reason: str = ""


class ResumeQueue(Command, frozen=True, kw_only=True, tag="resume_queue"):
    queue: QueueName


class RetryDead(Command, frozen=True, kw_only=True, tag="retry_dead"):
    queue: QueueName
    job: str = ""


class DiscardDead(Command, frozen=True, kw_only=True, tag="discard_dead"):
    queue: QueueName
    reason: str
    job: str = ""


class NoteAlarms(Command, frozen=True, kw_only=True, tag="note_alarms"):
    """What is wrong now."""

    queue: QueueName
    alarms: tuple[Alarm, ...] = ()
    dead: int = 0
    due: int = 0
    oldest_s: int = 0


QueueEvent: TypeAlias = (
    QueuePaused | QueueResumed | DeadRetryAsked | DeadDiscardAsked | QueueAlarmed | QueueCalmed
)
QueueCommand: TypeAlias = PauseQueue | ResumeQueue | RetryDead | DiscardDead | NoteAlarms


class Queue(msgspec.Struct, frozen=True):
    paused: bool = False
    alarms: frozenset[Alarm] = frozenset()  # that were told and not called off
    dead: int = 0  # as many as the last alarm told of


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
        case DiscardDead(queue=name, job=job, reason=reason):
            return [
                DeadDiscardAsked(
                    queue=name,
                    job=checked(job, "queue.bad_job", MAX_REASON, least=0),
                    reason=checked(reason, "queue.bad_reason", MAX_REASON),
                )
            ]
        case NoteAlarms():
            return _changes(command, queue)
        case _:
            assert_never(command)


def _changes(found: NoteAlarms, queue: Queue) -> list[QueueEvent]:
    """Each alarm is told once, and once that it is over; of ten times as many dead again."""
    new = set(found.alarms) - queue.alarms
    if Alarm.DEAD in found.alarms and found.dead >= MORE * max(queue.dead, 1):
        new.add(Alarm.DEAD)
    alarmed = [
        QueueAlarmed(
            queue=found.queue,
            alarm=alarm,
            dead=found.dead,
            due=found.due,
            oldest_s=found.oldest_s,
        )
        for alarm in sorted(new)
    ]
    over = sorted(queue.alarms.difference(found.alarms))
    return [*alarmed, *(QueueCalmed(queue=found.queue, alarm=alarm) for alarm in over)]


def evolve(queue: Queue, event: QueueEvent) -> Queue:
    match event:
        case QueuePaused():
            return msgspec.structs.replace(queue, paused=True)
        case QueueResumed():
            return msgspec.structs.replace(queue, paused=False)
        case QueueAlarmed(alarm=alarm, dead=dead):
            told = dead if alarm is Alarm.DEAD else queue.dead
            return msgspec.structs.replace(queue, alarms=queue.alarms | {alarm}, dead=told)
        case QueueCalmed(alarm=alarm):
            return msgspec.structs.replace(queue, alarms=queue.alarms - {alarm})
        case DeadRetryAsked() | DeadDiscardAsked():
            return queue
        case _:
            assert_never(event)


QUEUE = Decider(
    name="queue",
    initial=Queue(),
    decide=decide,
    evolve=evolve,
    events=(
        QueuePaused,
        QueueResumed,
        DeadRetryAsked,
        DeadDiscardAsked,
        QueueAlarmed,
        QueueCalmed,
    ),
)
