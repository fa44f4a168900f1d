"""What streams have beyond a version: for all who load an aggregate now, one query."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from infra.db import Pool
from infra.eventstore.reader import Row
from infra.gathered import Gathered

SHORT = 200  # events; a longer piece of a stream is read for itself

# A row for each question and event: the question's number, then the event as `Row` has it.
TAILS = """
SELECT w.n, e.* FROM unnest(%(streams)s::uuid[], %(afters)s::bigint[], %(limits)s::bigint[])
    WITH ORDINALITY w(stream, after, most, n)
CROSS JOIN LATERAL (
    SELECT notification_id, originator_id, originator_version, topic, state, metadata,
        recorded_at, NULL::uuid, NULL::uuid
    FROM formula_events WHERE originator_id = w.stream AND originator_version > w.after
    ORDER BY originator_version LIMIT w.most
) e ORDER BY w.n, e.originator_version
"""


class Tail(msgspec.Struct, frozen=True):
    """A stream's events above version `after`, oldest first, at most `limit`."""

    stream: UUID
    after: int
    limit: int


class Tails:
    """Rows, not decoded: one that is unknown is the trouble of who asked for it alone."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._gathered = Gathered(self._read)

    async def rows(self, tail: Tail) -> list[Row]:
        return await self._gathered.ask(tail)

    async def _read(self, tails: Sequence[Tail]) -> dict[Tail, list[Row]]:
        values = {
            "streams": [one.stream for one in tails],
            "afters": [one.after for one in tails],
            "limits": [one.limit for one in tails],
        }
        found: dict[Tail, list[Row]] = {one: [] for one in tails}
        async with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            await cursor.execute(TAILS, values, prepare=True)
            for number, *row in await cursor.fetchall():
                found[tails[number - 1]].append(Row(*row))
        return found
