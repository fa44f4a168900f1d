"""A connection for looks at the log alone: every request waits for one, so it costs little, and
waits for no connection of the pool behind queries.
"""

import asyncio
from struct import Struct
from typing import cast

import psycopg

from infra.eventstore.pipe import Answer, Pipe, open_pipe
from infra.eventstore.types import Moved

MOVED = """
SELECT notification_id, originator_id, originator_version FROM formula_events
WHERE notification_id > $1::bigint ORDER BY notification_id LIMIT $2::bigint
"""

_INT8 = Struct(">q")


class Lookout:
    """Opened when it is first used, and anew after it was lost."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._pipe: Pipe | None = None
        self._opening = asyncio.Lock()  # two would open two
        self._closed = False

    async def moved(self, after: int, limit: int) -> list[Moved]:
        """Durable events above `after`, oldest first. Raises psycopg.Error."""
        pipe = await self._open()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def lost(reason: asyncio.Future[str]) -> None:
            answered(psycopg.OperationalError(reason.result()))

        def answered(given: Answer) -> None:
            if not answer.done():
                answer.set_result(given)

        pipe.lost.add_done_callback(lost)
        pipe.send(answered, (b"moved", [_INT8.pack(after), _INT8.pack(limit)]))
        try:
            found = await answer
        finally:
            pipe.lost.remove_done_callback(lost)
        if isinstance(found, psycopg.Error):
            raise found
        integer = int.from_bytes  # in place: every event of the log comes by here
        return [
            (integer(position), stream, integer(version))
            for position, stream, version in cast("list[tuple[bytes, bytes, bytes]]", found[0])
        ]

    def cut(self) -> None:
        """Postgres is away: who waits hears of it."""
        if self._pipe is not None:
            self._pipe.cut()

    async def close(self) -> None:
        self._closed = True
        await self._drop()

    async def _open(self) -> Pipe:
        async with self._opening:
            if self._pipe is None or self._pipe.lost.done():
                await self._drop()
                self._pipe = await open_pipe(self._conninfo, "", {"moved": MOVED}, ())
            if self._closed:  # who still asks must leave no connection behind
                await self._drop()
                raise psycopg.OperationalError("closed")
            return self._pipe

    async def _drop(self) -> None:
        if self._pipe is not None:
            await self._pipe.close()
