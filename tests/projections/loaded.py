"""A database with a hundred thousand tasks, and as much beside them as is loaded in time."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import psycopg

from bench.rows import fill
from projections.generations import table_statement
from projections.registry import PROJECTIONS
from tests.databases import Databases

# The fewer the rows, the sooner a plan does without an index: what is used here is used at more.
ROWS = {"tasks": 100_000, "users": 20_000, "projects": 20_000, "audit": 50_000}
OTHERS = 20_000

# Of the log and its like, those that grow.
STORE = (
    "formula_events",
    "formula_jobs",
    "formula_job_log",
    "formula_job_needs",
    "formula_credentials",
    "formula_refresh_tokens",
    "formula_api_keys",
    "formula_snapshots",
    "formula_dead_letters",
    "formula_daily",
    "formula_project_days",
    "formula_keyframes",
)


@contextmanager
def loaded(databases: Databases, template: str) -> Generator[str]:
    """The address of the database; its read tables are in the schema `reads`."""
    name = databases.copy(template)
    with psycopg.connect(databases.url(name), autocommit=True) as db:
        _load(db)
    yield databases.url(name)
    databases.drop(name)


def make(db: psycopg.Connection, rows: Mapping[str, int] | None = None) -> None:
    """The read tables, with as many rows, and then their indexes."""
    db.execute("CREATE SCHEMA reads")
    db.execute("SET search_path = reads, public")
    db.execute("SET maintenance_work_mem = '256MB'")
    for table in (table for projection in PROJECTIONS for table in projection.tables):
        db.execute(table_statement("reads", table))
        if rows is not None:  # a plan is the same, and Postgres writes them once
            db.execute(f"ALTER TABLE {table.name} SET UNLOGGED".encode())
            fill(db, table.name, rows.get(table.name, OTHERS))
        for columns in table.indexes:
            db.execute(f"CREATE INDEX ON {table.name} {columns}".encode())


def _load(db: psycopg.Connection) -> None:
    make(db, ROWS)
    for name in STORE:
        fill(db, name, OTHERS)
    db.execute("VACUUM formula_jobs")  # as it happens by itself: to count is to read an index alone
    db.execute("ANALYZE")
