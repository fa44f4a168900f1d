"""The salt in the log's epoch: clients that hold positions of another log begin anew."""

from uuid import UUID

import psycopg


def new_epoch(conninfo: str) -> UUID:
    """Give the log another salt; returns it. API processes take it when they start."""
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=10) as db:
        row = db.execute(
            "INSERT INTO formula_epoch DEFAULT VALUES"
            " ON CONFLICT (only_row) DO UPDATE SET salt = gen_random_uuid() RETURNING salt"
        ).fetchone()
    if row is None:
        raise LookupError("formula_epoch took no row")
    return row[0]
