"""What people of this node have seen, on its way to the log: the newest of a person and room.

Their clients may tell of every scroll; what is stored is one step in EVERY_S. A node that is
killed loses as much of it, and no more: the next `seen` makes it good.
"""

import asyncio
from uuid import UUID

import msgspec
import psycopg
import structlog

from domain.errors import Refused
from domain.receipt import RECEIPT, See, receipt_stream
from infra.eventstore.types import Conflict, StoreOverloaded
from infra.runtime import Origin, Runtime

EVERY_S = 2.0
AT_ONCE = 100  # commands at a time: what people do comes first

log = structlog.get_logger()


class Step(msgspec.Struct, frozen=True):
    """A receipt to be moved, of a person who is in that room."""

    user: UUID
    room: str
    project: UUID | None
    pos: int
    origin: Origin


class Receipts:
    """At most one step for each membership of this node waits."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: dict[tuple[UUID, str], Step] = {}

    def saw(self, step: Step) -> None:
        key = (step.user, step.room)
        known = self._waiting.get(key)
        if known is None or known.pos < step.pos:
            self._waiting[key] = step

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self.store()

    async def store(self) -> None:
        """What waits now; all of it goes out in few batches."""
        steps, self._waiting = list(self._waiting.values()), {}
        free = asyncio.Semaphore(AT_ONCE)

        async def one(step: Step) -> None:
            async with free:
                await self._move(step)

        await asyncio.gather(*(one(step) for step in steps))

    async def _move(self, step: Step) -> None:
        command = See(user=step.user, room=step.room, pos=step.pos)
        stream = receipt_stream(step.user, step.room)
        try:
            await self._runtime.execute(step.origin, RECEIPT, stream, command, project=step.project)
        except (psycopg.Error, Conflict, StoreOverloaded) as error:
            log.warning("receipt_postponed", room=step.room, error=repr(error))
            self.saw(step)
        except Refused as error:
            log.warning("receipt_not_stored", room=step.room, error=repr(error))
