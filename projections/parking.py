"""Dead letters: an event that a projection could not apply, and those of its stream behind it."""

import traceback
from typing import TypeAlias
from uuid import UUID

from domain.kernel import Event, Recorded
from infra.db import Connection
from projections.model import Sql

MAX_ERROR = 20_000  # characters of a traceback that are kept

Blocked: TypeAlias = dict[str, set[UUID]]  # streams with a dead letter, by projection

PARK = """
INSERT INTO formula_dead_letters (projection, position, stream, error)
VALUES (%(projection)s, %(position)s, %(stream)s, %(error)s) ON CONFLICT DO NOTHING
"""


async def blocked(connection: Connection) -> Blocked:
    """The streams whose later events wait behind a dead letter."""
    cursor = await connection.execute(
        "SELECT DISTINCT projection, stream FROM formula_dead_letters ORDER BY projection, stream"
    )
    streams: Blocked = {}
    for projection, stream in await cursor.fetchall():
        streams.setdefault(projection, set()).add(stream)
    return streams


def park(projection: str, recorded: Recorded[Event], error: Exception | None) -> Sql:
    """The letter; without an error the event only waits behind an earlier one."""
    trace = "".join(traceback.format_exception(error))[-MAX_ERROR:] if error else None
    return Sql(
        PARK,
        {
            "projection": projection,
            "position": recorded.position,
            "stream": recorded.stream,
            "error": trace.replace("\x00", "") if trace else None,
        },
    )
