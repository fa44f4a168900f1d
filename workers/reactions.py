"""From an event to the jobs it asks for. Pure: the same event asks for the same jobs for ever."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog

from domain.job_args import Ping, QueueName
from domain.jobs import BatchRequested, JobRequested, Wanted, member_id
from domain.kernel import Event, Recorded
from infra.jobs.model import CONSUMER, NewJob
from infra.jobs.queues import Queue
from workers.model import Args, Job

log = structlog.get_logger()


class Reactions:
    """What the kinds of jobs make of events, under the queues' rules."""

    def __init__(self, kinds: Sequence[Job[Any]], queues: Iterable[Queue]) -> None:
        self._kinds = kinds
        self._asked: Mapping[type, Job[Any]] = {kind.args: kind for kind in kinds}
        self.attempts = {queue.name: queue.max_attempts for queue in queues}

    def of(self, recorded: Recorded[Event]) -> list[NewJob]:
        """A kind that fails at it leaves a dead one to be seen."""
        match recorded.event:
            case JobRequested(wanted=wanted):
                return [self._wanted(recorded, wanted, recorded.stream)]
            case BatchRequested():
                return self._batch(recorded, recorded.event)
            case _:
                return [job for kind in self._kinds for job in self._followed(kind, recorded)]

    def _followed(self, kind: Job[Any], recorded: Recorded[Event]) -> list[NewJob]:
        if not isinstance(recorded.event, kind.events):
            return []
        try:
            return [self._follows(kind, recorded, args) for args in kind.react(recorded)]
        except Exception as error:
            log.exception("reaction_failed", name=kind.name, position=recorded.position)
            return [self._job(kind.name, kind.queue, recorded, error=repr(error))]

    def _follows(self, kind: Job[Any], recorded: Recorded[Event], args: Args) -> NewJob:
        return msgspec.structs.replace(
            self._job(kind.name, kind.queue, recorded),
            key=args.key,
            args=msgspec.to_builtins(args),
            run_at=args.run_at,
            priority=kind.priority,
            singleton=args.unique,
        )

    def _batch(self, recorded: Recorded[Event], event: BatchRequested) -> list[NewJob]:
        batch = recorded.stream
        jobs = [
            self._wanted(recorded, wanted, member_id(batch, index), batch)
            for index, wanted in enumerate(event.jobs)
        ]
        if event.then is not None:
            then = self._wanted(recorded, event.then, member_id(batch, -1), batch)
            needs = tuple(job.id for job in jobs)
            jobs.append(msgspec.structs.replace(then, needs=needs, anyway=True))
        return jobs

    def _wanted(
        self, recorded: Recorded[Event], wanted: Wanted, job: UUID, batch: UUID | None = None
    ) -> NewJob:
        args = wanted.args
        name = str(args.__struct_config__.tag)
        kind = self._asked.get(type(args))
        queue = args.queue if isinstance(args, Ping) else kind and kind.queue
        error = None if kind else f"no worker knows the job {name}"
        return msgspec.structs.replace(
            self._job(name, queue or QueueName.MAINTENANCE, recorded, error=error),
            args=msgspec.to_builtins(args),
            run_at=wanted.run_at,
            priority=wanted.priority,
            singleton=(wanted.unique and f"{recorded.meta.actor} {wanted.unique}") or None,
            needs=wanted.needs,
            batch=batch,
            stream=job,
        )

    def _job(
        self, name: str, queue: QueueName, recorded: Recorded[Event], error: str | None = None
    ) -> NewJob:
        return NewJob(
            queue=queue.value,
            name=name,
            consumer=CONSUMER,
            position=recorded.position,
            key="",
            args={},
            max_attempts=self.attempts[queue],
            correlation_id=recorded.meta.trace,
            span=recorded.meta.span,
            owner=recorded.meta.on_behalf_of or recorded.meta.actor,
            error=error,
        )
