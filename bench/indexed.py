"""Lists with and without their indexes: part of the suite `tables`."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg

from bench.contestant import contestant
from bench.harness import Stage, compete, say
from bench.load.indexed import KINDS, Asks
from bench.report import Row, Target
from bench.rows import fill
from infra.settings import Settings
from projections.generations import table_statement
from projections.model import Table
from projections.registry import PROJECTIONS

# What the source system claims to save of a query's time, as how many more are done in it.
CLAIMED = {"indexed": 60, "joined": 40, "search": 70, "audit": 80}
SLOW = {"search"}  # by keys alone a query takes seconds, thousands of times as long
LISTED = {"users", "clients", "projects", "tasks"}  # by the kind `indexed`
ASKED = LISTED | {"project_members", "audit"}


def run(stage: Stage) -> list[Row]:
    """Each kind of query in turn on both, so that what drifts hits both."""
    rows = 20_000 if stage.quick else 1_000_000
    settings = stage.database("indexed")
    load(settings, rows)
    return [row for kind in KINDS for row in _kind(stage, settings, kind)]


def load(
    settings: Settings,
    rows: int,
    schemas: Sequence[str] = ("plain", "indexed"),
    asked: Collection[str] = ASKED,
) -> None:
    """The same rows in `plain`, with primary keys alone, and in `indexed`; two tables at a time."""
    tables = [table for one in PROJECTIONS for table in one.tables if table.name in asked]
    with psycopg.connect(settings.database_url, autocommit=True) as db:
        for schema in schemas:
            db.execute(f"CREATE SCHEMA {schema}".encode())
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(partial(_loaded, settings, rows, schemas), tables))
        db.execute("VACUUM ANALYZE")


def _loaded(settings: Settings, rows: int, schemas: Sequence[str], table: Table) -> None:
    with psycopg.connect(settings.database_url, autocommit=True) as db:
        db.execute("SET maintenance_work_mem = '1GB'")
        first, *others = (f"{schema}.{table.name}" for schema in schemas)
        for schema in schemas:
            db.execute(table_statement(schema, table))
            name = f"{schema}.{table.name}"
            # Loaded in half the time.
            db.execute(f"ALTER TABLE {name} SET UNLOGGED, SET (autovacuum_enabled = off)".encode())
        say(f"loading {rows:,} {table.name}")
        fill(db, first, rows)
        for other in others:
            db.execute(f"INSERT INTO {other} TABLE {first}".encode())
        for columns in table.indexes if "indexed" in schemas else ():
            db.execute(f"CREATE INDEX ON indexed.{table.name} {columns}".encode())


def _kind(stage: Stage, settings: Settings, kind: str) -> list[Row]:
    once = stage.quick or kind in SLOW
    seconds, rounds = 0.2 if stage.quick else 2.0, 1 if once else 3
    plain = f"{kind}, keys alone"
    contestants = [
        contestant(kind, Asks(settings, "indexed", kind, seconds)),
        contestant(plain, Asks(settings, "plain", kind, seconds)),
    ]
    results = compete(contestants, rounds)
    least = round(100 / (100 - CLAIMED[kind]), 2)
    return [
        results.row(f"lists, {kind}", "queries/s", kind, against=plain, target=Target(least=least)),
        results.row(plain, "queries/s", plain),
        results.row(f"lists, {kind}, p99", "ms", kind, "p99", target=Target(most=50.0)),
    ]
