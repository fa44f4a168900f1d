"""Dead letters: an event that a projection could not apply, and those of its stream behind it."""

import traceback
from collections.abc import Sequence

from domain.kernel import Event, Recorded
from infra.db import Connection

MAX_ERROR = 20_000  # characters of a traceback that are kept


async def hold_back(
    connection: Connection, projection: str, batch: Sequence[Recorded[Event]]
) -> Sequence[Recorded[Event]]:
    """The events whose stream has no dead letter; the others are parked behind it."""
    cursor = await connection.execute(
        "SELECT DISTINCT stream FROM formula_dead_letters"
        " WHERE projection = %s AND stream = ANY(%s) ORDER BY stream",
        (projection, list({one.stream for one in batch})),
        prepare=True,
    )
    blocked = {stream for (stream,) in await cursor.fetchall()}
    if not blocked:
        return batch
    for one in batch:
        if one.stream in blocked:
            await _insert(connection, projection, one, None)
    return [one for one in batch if one.stream not in blocked]


async def park(
    connection: Connection, projection: str, recorded: Recorded[Event], error: Exception
) -> None:
    trace = "".join(traceback.format_exception(error))[-MAX_ERROR:]
    await _insert(connection, projection, recorded, trace.replace("\x00", ""))


async def _insert(
    connection: Connection, projection: str, recorded: Recorded[Event], error: str | None
) -> None:
    await connection.execute(
        "INSERT INTO formula_dead_letters (projection, position, stream, error)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (projection, recorded.position, recorded.stream, error),
    )
