"""Snapshots: the state of a long stream at a version, so that nobody folds it from its beginning.

A cache that can be emptied at any time. What other code has folded is not looked at.
"""

import inspect
import sys
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from psycopg.rows import args_row

from domain import upcasts
from domain.kernel import Decider
from infra.db import Connection, Pool


class Snapshot(msgspec.Struct, frozen=True):
    """A state in msgspec's JSON."""

    version: int
    state: bytes


FIND = """
SELECT version, state FROM formula_snapshots
WHERE stream = %(stream)s AND fingerprint = %(fingerprint)s
"""

# Of two processes with the same code the one that saw more wins; other code takes the place over.
KEEP = """
INSERT INTO formula_snapshots (stream, fingerprint, version, state)
VALUES (%(stream)s, %(fingerprint)s, %(version)s, %(state)s)
ON CONFLICT (stream) DO UPDATE SET fingerprint = excluded.fingerprint,
    version = excluded.version, state = excluded.state, taken_at = clock_timestamp()
WHERE formula_snapshots.fingerprint <> excluded.fingerprint
    OR formula_snapshots.version < excluded.version
"""


async def find(pool: Pool, stream: UUID, fingerprint: str) -> Snapshot | None:
    """The stream's snapshot, if code with this fingerprint took it."""
    async with (
        pool.connection() as connection,
        connection.cursor(binary=True, row_factory=args_row(Snapshot)) as cursor,
    ):
        await cursor.execute(FIND, {"stream": stream, "fingerprint": fingerprint})
        return await cursor.fetchone()


async def keep(pool: Pool, stream: UUID, fingerprint: str, snapshot: Snapshot) -> None:
    """Store it unless a newer one of the same code is there."""
    async with pool.connection() as connection:
        await connection.execute(
            KEEP,
            {
                "stream": stream,
                "fingerprint": fingerprint,
                "version": snapshot.version,
                "state": snapshot.state,
            },
        )


async def forget(db: Connection, deciders: Iterable[Decider[Any, Any, Any]]) -> int:
    """Those that other code took and nobody has needed since; how many."""
    cursor = await db.execute(
        "DELETE FROM formula_snapshots WHERE fingerprint <> ALL(%s)",
        ([fingerprint(decider) for decider in deciders],),
    )
    return cursor.rowcount


def fingerprint(decider: Decider[Any, Any, Any]) -> str:
    """Changes with whatever may change what events are folded to: the aggregate's file, upcasts."""
    return f"{decider.name}:{_source_hash(decider.evolve.__module__)}"


@cache
def _source_hash(module: str) -> str:
    sources = inspect.getsource(sys.modules[module]) + inspect.getsource(upcasts)
    return sha256(sources.encode()).hexdigest()[:16]
