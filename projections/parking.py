"""Dead letters: an event that a projection could not apply, and those of its stream behind it."""

import traceback
from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec
from psycopg.rows import class_row

from domain.kernel import Event, Recorded
from infra.db import Connection
from projections.model import Sql, Write

MAX_ERROR = 20_000  # characters of a traceback that are kept
MAX_ASKED = 100  # letters that are looked at in one turn

PARK = """
INSERT INTO formula_dead_letters (projection, generation, position, stream, error)
VALUES (%(projection)s, %(generation)s, %(position)s, %(stream)s, %(error)s)
ON CONFLICT (generation, position) DO UPDATE
SET error = excluded.error, attempts = formula_dead_letters.attempts + 1, asked = NULL
"""
FREE = """
DELETE FROM formula_dead_letters
WHERE generation = %(generation)s AND position = ANY(%(positions)s)
"""

SKIPPED = """
INSERT INTO formula_skipped_events (projection, position) VALUES (%s, %s) ON CONFLICT DO NOTHING
"""
# What was skipped while this generation was being built is asked of it as well.
ASKED = """
SELECT d.projection, d.generation, d.position, d.stream, coalesce(d.asked, 'skip') AS asked
FROM formula_dead_letters d
WHERE d.generation = ANY(%s) AND (d.asked IS NOT NULL OR d.error IS NOT NULL AND EXISTS (
    SELECT FROM formula_skipped_events s
    WHERE s.projection = d.projection AND s.position = d.position))
ORDER BY d.position LIMIT %s
"""


class Asked(msgspec.Struct, frozen=True):
    """A stream's first letter that an operator wants tried again, or passed over."""

    projection: str
    generation: str
    position: int
    stream: UUID
    asked: str


class Letters:
    """What some generations hold back: their blocked streams, and the events to pass over."""

    def __init__(self, generations: Mapping[str, str]) -> None:
        self.generations = dict(generations)  # by projection
        self._blocked: dict[str, set[UUID]] = {}
        self._skipped: dict[str, set[int]] = {}
        self.edition = object()  # another one after every change

    async def load(self, connection: Connection) -> None:
        self.edition = object()
        self._blocked.clear()
        self._skipped.clear()
        cursor = await connection.execute(
            "SELECT DISTINCT projection, stream FROM formula_dead_letters"
            " WHERE generation = ANY(%s)",
            (list(self.generations.values()),),
        )
        for projection, stream in await cursor.fetchall():
            self.block(projection, stream)
        cursor = await connection.execute(
            "SELECT projection, position FROM formula_skipped_events WHERE projection = ANY(%s)",
            (list(self.generations),),
        )
        for projection, position in await cursor.fetchall():
            self._skipped.setdefault(projection, set()).add(position)

    @property
    def any(self) -> bool:
        return bool(self._blocked)

    def skips(self, projection: str, position: int) -> bool:
        return position in self._skipped.get(projection, ())

    def block(self, projection: str, stream: UUID) -> None:
        self.edition = object()
        self._blocked.setdefault(projection, set()).add(stream)

    def sort(
        self, projection: str, batch: Sequence[Recorded[Event]]
    ) -> tuple[Sequence[Recorded[Event]], list[Write]]:
        """The events to project, and the letters of those that wait behind an earlier one."""
        skipped = self._skipped.get(projection)
        if skipped:
            batch = [one for one in batch if one.position not in skipped]
        blocked = self._blocked.get(projection)
        if not blocked:
            return batch, []
        behind = [one for one in batch if one.stream in blocked]
        free = [one for one in batch if one.stream not in blocked]
        return free, [self.park(projection, one, None) for one in behind]

    def park(self, projection: str, recorded: Recorded[Event], error: Exception | None) -> Write:
        """The letter; without an error the event only waits behind an earlier one."""
        trace = "".join(traceback.format_exception(error))[-MAX_ERROR:] if error else None
        return Sql(
            PARK,
            {
                "projection": projection,
                "generation": self.generations[projection],
                "position": recorded.position,
                "stream": recorded.stream,
                "error": trace.replace("\x00", "") if trace else None,
            },
        )

    def free(self, projection: str, positions: Sequence[int]) -> Write:
        """Take the letters of these events away."""
        return Sql(FREE, {"generation": self.generations[projection], "positions": list(positions)})


async def asked(connection: Connection, letters: Letters) -> list[Asked]:
    """What operators want done now, oldest first."""
    async with connection.cursor(row_factory=class_row(Asked)) as cursor:
        await cursor.execute(ASKED, (list(letters.generations.values()), MAX_ASKED))
        return await cursor.fetchall()


async def held(connection: Connection, one: Asked) -> list[int]:
    """The positions of a stream's letters, oldest first."""
    cursor = await connection.execute(
        "SELECT position FROM formula_dead_letters"
        " WHERE generation = %s AND stream = %s ORDER BY position",
        (one.generation, one.stream),
    )
    return [position for (position,) in await cursor.fetchall()]
