"""Log levels that operators ask for: on record as events, in a table that every heartbeat reads.

No process need be told: whichever reads the table within a second, or starts later, follows it,
and one that has lost Postgres goes back by its own clock.
"""

from datetime import datetime

import msgspec
from psycopg.rows import class_row

from domain.log_level import LOG_LEVEL, SetLevel, log_level_stream
from infra.db import Connection
from infra.runtime import Origin, Runtime


class Level(msgspec.Struct, frozen=True):
    """What a logger and those below it write; an empty name means all."""

    logger: str
    level: str
    until: datetime


KEEP = """
INSERT INTO formula_log_levels (logger, level, until)
VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (logger) DO UPDATE SET level = excluded.level, until = excluded.until
"""
FORGET = "DELETE FROM formula_log_levels WHERE until <= clock_timestamp()"
SET = """
SELECT logger, level, until FROM formula_log_levels WHERE until > clock_timestamp()
ORDER BY logger LIMIT 1000
"""


async def set_level(runtime: Runtime, origin: Origin, command: SetLevel) -> list[Level]:
    """What is set then. The event is stored before the row is seen. Raises Invalid."""
    async with runtime.db.connection() as db:
        async with db.transaction():
            await db.execute(KEEP, (command.logger, command.level, command.seconds))
            await db.execute(FORGET)
            stream = log_level_stream(command.logger)
            await runtime.execute(origin, LOG_LEVEL, stream, command, blind=True)
        return await levels_set(db)


async def levels_set(db: Connection) -> list[Level]:
    """Those that are not over."""
    async with db.cursor(row_factory=class_row(Level)) as cursor:
        await cursor.execute(SET)
        return await cursor.fetchall()
