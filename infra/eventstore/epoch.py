"""The epoch names the log that positions belong to; clients that hold another's begin anew."""

from typing import LiteralString
from uuid import UUID

import psycopg

from infra.db import Pool

# Another database, a restore and an import differ in one of the three.
EPOCH: LiteralString = """
SELECT to_hex(s.system_identifier) || '-' || c.timeline_id || '-' || left(e.salt::text, 8)
FROM pg_control_system() s, pg_control_checkpoint() c, formula_epoch e
"""


async def read_epoch(pool: Pool) -> str:
    """The epoch now. API processes take it when they start."""
    async with pool.connection() as connection:
        row = await (await connection.execute(EPOCH)).fetchone()
    if row is None:
        raise LookupError("formula_epoch is empty: run `formula migrate`")
    return row[0]


def new_epoch(conninfo: str) -> UUID:
    """Give the log another salt; returns it."""
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=10) as db:
        row = db.execute(
            "INSERT INTO formula_epoch DEFAULT VALUES"
            " ON CONFLICT (only_row) DO UPDATE SET salt = gen_random_uuid() RETURNING salt"
        ).fetchone()
    if row is None:
        raise LookupError("formula_epoch took no row")
    return row[0]
