"""The schema `analytics`: views over the generations that serve, made anew when others do."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import LiteralString, cast

import structlog
from psycopg import sql
from psycopg.errors import LockNotAvailable

from infra.db import Connection
from projections.analytics_catalog import FUNCTIONS, VIEWS
from projections.analytics_model import Function, View

LOCK = 5_014_011  # of who makes the views: projector, scheduler
LOCK_WAIT = "1s"  # behind a query that reads a view; then another time

log = structlog.get_logger()

SERVING = "SELECT projection, schema FROM formula_generations WHERE state = 'serving' ORDER BY 1"
MADE = """
SELECT formula_analyst_role(),
    (SELECT oid::text FROM pg_database WHERE datname = current_database()),
    obj_description('analytics'::regnamespace, 'pg_namespace')
"""
EXISTING = """
SELECT relname FROM pg_class
WHERE relnamespace = 'analytics'::regnamespace AND relkind = 'v' ORDER BY relname
"""


async def refresh_views(connection: Connection) -> bool:
    """Let the views show the generations that serve now. Cheap when they do already.

    Views whose projections do not serve yet are left out. False: a query that runs now reads one
    of them; until it has ended they stay as they are, so call again before a generation is dropped.
    """
    cursor = await connection.execute(SERVING)
    serving = dict(cast(Sequence[tuple[str, str]], await cursor.fetchall()))
    views = [view for view in VIEWS if serving.keys() >= set(view.over)]
    try:
        async with connection.transaction():
            await _make(connection, serving, views)
    except LockNotAvailable:
        log.warning("analytics_views_read", again="when the query has ended")
        return False
    return True


async def _make(connection: Connection, serving: Mapping[str, str], views: Sequence[View]) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
    row = await (await connection.execute(MADE)).fetchone()
    granted, database, made = row or (False, "", None)
    statements = [*_views(serving, views), *_functions(views), *(GRANTS if granted else ())]
    digest = hashlib.sha256("\n".join([database, *statements]).encode()).hexdigest()[:16]
    about = f"Read models and the log, for analysts. Made as {digest}."
    if made == about:
        return
    old = [name for (name,) in await (await connection.execute(EXISTING)).fetchall()]
    if old:
        names = sql.SQL(", ").join(sql.Identifier("analytics", name) for name in old)
        await connection.execute(sql.SQL("DROP VIEW {}").format(names))
    statements.append(f"COMMENT ON SCHEMA analytics IS {_quoted(about)}")
    await connection.execute(cast(LiteralString, ";\n".join(statements)))  # our own, no input
    log.info("analytics_views_made", views=len(views))


GRANTS = (
    "GRANT USAGE ON SCHEMA analytics TO formula_analyst",
    "GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO formula_analyst",
)

# Everything of a project is seen by its members, and by whoever sees all projects.
OF_ONES_PROJECTS = """
SELECT * FROM ({query}) v WHERE (SELECT analytics.sees_all()) OR v.project IN (
    SELECT m.project FROM {projects}.project_members m
    WHERE m.user_id = (SELECT analytics.viewer()))
"""


def _views(serving: Mapping[str, str], views: Iterable[View]) -> list[str]:
    statements: list[str] = []
    for view in views:
        name, columns = f"analytics.{view.name}", ", ".join(view.columns)
        query = OF_ONES_PROJECTS.replace("{query}", view.query) if view.filtered else view.query
        body = query.format_map({one: f'"{serving[one]}"' for one in view.over})
        statements += [
            f"CREATE VIEW {name} ({columns}) WITH (security_barrier) AS {body}",
            f"COMMENT ON VIEW {name} IS {_quoted(view.about)}",
        ]
        statements += [
            f"COMMENT ON COLUMN {name}.{column} IS {_quoted(text)}"
            for column, text in view.columns.items()
        ]
    return statements


def _functions(views: Iterable[View]) -> list[str]:
    """They name views late, in text: a view can be made anew under them."""
    made = {view.name: view for view in views}
    return [
        statement
        for function in FUNCTIONS
        if function.over in made
        for statement in _function(function)
    ]


def _function(function: Function) -> list[str]:
    returns = ", ".join(f"{name} {kind}" for name, kind in function.returns.items())
    names = ", ".join(f"h.{name}" for name in function.returns)
    signature = f"analytics.{function.name}(at timestamptz)"
    body = (
        f"SELECT {names} FROM analytics.{function.over} h"  # noqa: S608, our names
        " WHERE h.valid_from <= $1 AND (h.valid_to IS NULL OR h.valid_to > $1)"
    )
    head = f"CREATE OR REPLACE FUNCTION {signature} RETURNS TABLE ({returns})"
    return [
        f"{head} STABLE LANGUAGE sql AS {_quoted(body)}",
        f"COMMENT ON FUNCTION {signature} IS {_quoted(function.about)}",
    ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
