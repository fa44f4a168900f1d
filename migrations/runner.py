"""Applies the numbered SQL files in order, each in a transaction of its own, once."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString, cast

import msgspec
import psycopg

from migrations.roles import grant

FOLDER = Path(__file__).parent
LOCK = 5_014_002  # one migrating process at a time

BOOK = """
CREATE TABLE IF NOT EXISTS formula_migrations (
    name       text PRIMARY KEY,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


class MigrationError(Exception):
    """The database and the files do not belong together; says which file and what to do."""


class Migration(msgspec.Struct, frozen=True):
    """One file; applied files must never change."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> Iterator[Migration]:
    """Every migration, oldest first."""
    for path in sorted(FOLDER.glob("[0-9]*.sql")):
        yield Migration(path.stem, path.read_text())


def migrate(conninfo: str) -> list[str]:
    """Bring the database up to date; returns the names applied now.

    Raises MigrationError, and psycopg.OperationalError where Postgres cannot be reached.
    """
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=10) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        connection.execute(BOOK)
        applied = dict(
            connection.execute("SELECT name, sha256 FROM formula_migrations ORDER BY name")
        )
        done = [one.name for one in migrations() if _apply(connection, applied, one)]
        grant(connection)
        return done


def pending(conninfo: str) -> list[str]:
    """The names not applied yet."""
    with psycopg.connect(conninfo, connect_timeout=10) as connection:
        row = connection.execute("SELECT to_regclass('formula_migrations') IS NOT NULL").fetchone()
        known: set[str] = set()
        if row is not None and row[0]:
            rows = connection.execute("SELECT name FROM formula_migrations ORDER BY name")
            known = {name for (name,) in rows}
    return [one.name for one in migrations() if one.name not in known]


def _apply(connection: psycopg.Connection, applied: dict[str, str], migration: Migration) -> bool:
    if migration.name in applied:
        if applied[migration.name] != migration.sha256:
            raise MigrationError(
                f"{migration.name} was changed after it was applied: restore the file"
                " and put the change into a new one"
            )
        return False
    with connection.transaction():
        connection.execute(cast(LiteralString, migration.sql))  # our own files, not input
        connection.execute(
            "INSERT INTO formula_migrations (name, sha256) VALUES (%s, %s)",
            (migration.name, migration.sha256),
        )
    return True
