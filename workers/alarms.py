"""What is wrong with the queues, told when it begins and when it is over: an event each."""

import structlog

from domain.job_args import QueueName
from domain.queue import QUEUE, Alarm, NoteAlarms, QueueAlarmed, QueueCalmed, queue_stream
from infra.eventstore.types import Conflict
from infra.jobs.board import listening
from infra.jobs.stats import Trouble, troubles
from infra.nodes import nodes
from infra.runtime import SYSTEM, Runtime

log = structlog.get_logger()


def alarms_of(found: Trouble, workers: int, late_s: float) -> frozenset[Alarm]:
    """Whoever paused a queue knows that its jobs wait."""
    raised = {
        Alarm.DEAD: found.dead > 0,
        Alarm.LATE: found.oldest_s > late_s and not found.paused,
        Alarm.UNSERVED: found.due > 0 and not workers and not found.paused,
    }
    return frozenset(alarm for alarm, yes in raised.items() if yes)


class Alarms:
    """A tick of the scheduler. What was told is in the log: the next leader knows of it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __call__(self, _now: float) -> None:
        async with self._runtime.db.connection() as db:
            found = await troubles(db, [name.value for name in QueueName])
        served = listening(await nodes(self._runtime))
        late_s = self._runtime.settings.jobs_late_s
        for one in found:
            await self._note(one, alarms_of(one, served[one.queue], late_s))

    async def _note(self, found: Trouble, alarms: frozenset[Alarm]) -> None:
        queue = QueueName(found.queue)
        stream = queue_stream(queue)
        command = NoteAlarms(
            queue=queue,
            alarms=tuple(sorted(alarms)),
            dead=found.dead,
            due=found.due,
            oldest_s=int(found.oldest_s),
        )
        if not QUEUE.decide(command, (await self._runtime.load(QUEUE, stream)).state):
            return
        try:
            outcome = await self._runtime.execute(SYSTEM, QUEUE, stream, command)
        except Conflict as error:  # looked at again in a moment
            log.debug("alarm_not_noted", queue=found.queue, error=repr(error))
            return
        for event in outcome.events:
            match event:
                case QueueAlarmed(alarm=alarm, dead=dead, due=due, oldest_s=oldest_s):
                    log.warning(
                        "queue_alarmed",
                        queue=found.queue,
                        alarm=alarm.value,
                        dead=dead,
                        due=due,
                        oldest_s=oldest_s,
                    )
                case QueueCalmed(alarm=alarm):
                    log.info("queue_calmed", queue=found.queue, alarm=alarm.value)
                case _:
                    raise TypeError(f"no alarm: {event!r}")
