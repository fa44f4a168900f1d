"""Rows by the million for any table: values by the columns' types and names.

References are spread evenly, most records have the common status, and texts are as in a language:
few words are frequent and most are rare, or Postgres's estimates would mean nothing.
"""

from enum import StrEnum
from typing import LiteralString, cast

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import class_row

from domain.client import ClientStatus
from domain.notification import Mailed
from domain.priority import Priority
from domain.project import ProjectStatus
from domain.task import TaskStatus
from domain.user import Role, UserStatus
from infra.jobs.model import JobState

CHOICES: dict[str, type[StrEnum]] = {
    "users.role": Role,
    "users.status": UserStatus,
    "clients.status": ClientStatus,
    "projects.status": ProjectStatus,
    "tasks.status": TaskStatus,
    "projects.priority": Priority,
    "tasks.priority": Priority,
    "formula_jobs.state": JobState,
    "notifications.email": Mailed,
}
KINDS = {"aggregate", "type", "verb", "kind", "department", "queue", "projection", "generation"}
WORDY = {"name", "title", "words"}
SPREAD = (3_203, 3_209, 3_217, 3_221, 3_229, 3_251, 3_253)  # primes: no pair twice in 10⁷ rows

COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, a.attnotnull AS needed,
    coalesce(i.indnatts = 1 AND i.indkey[0] = a.attnum, false) AS key
FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


class Column(msgspec.Struct, frozen=True):
    """`key`: the only column of the primary key."""

    name: str
    type: str
    needed: bool
    key: bool


def fill(db: psycopg.Connection, table: str, rows: int) -> None:
    """Append so many, numbered from 1: the first is the oldest."""
    with db.cursor(row_factory=class_row(Column)) as cursor:
        columns = cursor.execute(COLUMNS, (table,)).fetchall()
    name, spread = table.rpartition(".")[2], iter(SPREAD)
    values = [
        _value(name, column, spread=next(spread) if column.type == "uuid" else 0)
        for column in columns
    ]
    statement = sql.SQL("INSERT INTO {} SELECT {} FROM generate_series(1, {}) n").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(sql.SQL(cast(LiteralString, value)) for value in values),
        sql.Literal(rows),
    )
    db.execute(statement)


def _value(table: str, column: Column, *, spread: int) -> str:
    value = _of_type(table, column, spread)
    return value if column.needed else f"CASE WHEN n % 10 > 0 THEN {value} END"


def _of_type(table: str, column: Column, spread: int) -> str:
    match column.type:
        case "uuid":
            number = "n" if column.key or column.name == "command_id" else f"n % {spread}"
            return f"lpad(to_hex({number}), 32, '0')::uuid"
        case "text":
            return _text(table, column)
        case "timestamp with time zone":
            return "timestamptz '2030-01-01' + n * interval '1 s'"
        case "date":
            return "date '2030-01-01' + n % 3000"
        case "bigint":
            return "n"
        case "boolean":
            return "n % 2 = 0"
        case "jsonb":
            return "'{}'::jsonb"
        case "bytea":
            return "decode(lpad(to_hex(n), 8, '0'), 'hex')"
        case _:
            return "n % 10"


def _text(table: str, column: Column) -> str:
    choices = CHOICES.get(f"{table}.{column.name}")
    if choices is not None:  # the first is the common one
        words = ", ".join(f"'{choice.value}'" for choice in choices)
        return f"(ARRAY[{words}])[CASE WHEN n % 500 < {len(choices)} THEN n % 500 ELSE 0 END + 1]"
    if column.name == "asked":  # by an operator, and then one of two words
        return "NULL"
    if column.name in WORDY:  # as in a language: few words are frequent, most are rare
        return f"'{column.name} a' || n % 307 || ' b' || n % 3001 || ' c' || n % 50021"
    once = column.key or column.name == "singleton"
    number = "n % 400" if column.name in KINDS else "n" if once else "n % 50021"
    return f"'{column.name} ' || {number}"
