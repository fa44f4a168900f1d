"""Looks at the log alone: every request waits for one, so it costs little."""

from typing import cast

from infra.eventstore.line import BIGINT, Line
from infra.eventstore.pipe import rows
from infra.eventstore.types import Moved

MOVED = """
SELECT notification_id, originator_id, originator_version FROM formula_events
WHERE notification_id > $1::bigint ORDER BY notification_id LIMIT $2::bigint
"""


class Lookout(Line):
    """Where streams have come to."""

    def __init__(self, conninfo: str) -> None:
        super().__init__(conninfo, {"moved": MOVED})

    async def moved(self, after: int, limit: int) -> list[Moved]:
        """Durable events above `after`, oldest first. Raises psycopg.Error."""
        found = await self.ask(b"moved", [BIGINT.pack(after), BIGINT.pack(limit)])
        integer = int.from_bytes  # in place: every event of the log comes by here
        return [
            (integer(position), stream, integer(version))
            for position, stream, version in cast("list[tuple[bytes, bytes, bytes]]", rows(found))
        ]
