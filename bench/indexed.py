"""Lists with and without their indexes: part of the suite `projections`."""

from collections.abc import Sequence

import psycopg

from bench.contestant import contestant
from bench.harness import Stage, compete, say
from bench.load.indexed import KINDS, Asks
from bench.report import Row, Target
from bench.rows import fill
from infra.settings import Settings
from projections.generations import table_statement
from projections.registry import PROJECTIONS

# What the source system claims to save of a query's time, as how many more are done in it.
CLAIMED = {"indexed": 60, "joined": 40, "search": 70, "audit": 80}
ASKED = {"users", "clients", "projects", "project_members", "tasks", "audit"}


def run(stage: Stage) -> list[Row]:
    """Each kind of query in turn on both, so that what drifts hits both."""
    rows = 20_000 if stage.quick else 1_000_000
    settings = stage.database("indexed")
    load(settings, rows)
    return [row for kind in KINDS for row in _kind(stage, settings, kind)]


def load(settings: Settings, rows: int, schemas: Sequence[str] = ("plain", "indexed")) -> None:
    """The same rows in `plain`, with primary keys alone, and in `indexed`."""
    tables = [table for one in PROJECTIONS for table in one.tables if table.name in ASKED]
    with psycopg.connect(settings.database_url, autocommit=True) as db:
        db.execute("SET maintenance_work_mem = '256MB'")
        for schema in schemas:
            db.execute(f"CREATE SCHEMA {schema}".encode())
            for table in tables:
                say(f"loading {rows:,} {table.name}, {schema}")
                db.execute(table_statement(schema, table))
                fill(db, f"{schema}.{table.name}", rows)
                for columns in table.indexes if schema == "indexed" else ():
                    db.execute(f"CREATE INDEX ON {schema}.{table.name} {columns}".encode())
        db.execute("VACUUM ANALYZE")


def _kind(stage: Stage, settings: Settings, kind: str) -> list[Row]:
    seconds, rounds = (0.2, 1) if stage.quick else (2.0, 3)
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
