"""Who sees what of the analysts' views, by the access table; and what there is to see."""

import msgspec

from domain.access import Action, Who, allowed
from infra.analytics import Viewer
from infra.db import Connection
from projections.analytics_examples import EXAMPLES, Example
from projections.rows import fetch_all

DESCRIBE = """
SELECT c.relname AS name, obj_description(c.oid, 'pg_class') AS about,
    jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
        'about', col_description(c.oid, a.attnum)) ORDER BY a.attnum) AS columns
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'analytics'::regnamespace AND c.relkind = 'v'
GROUP BY c.oid ORDER BY c.relname LIMIT 1000
"""

FUNCTIONS = """
SELECT p.proname || '(' || pg_get_function_arguments(p.oid) || ')' AS name,
    obj_description(p.oid, 'pg_proc') AS about,
    pg_get_function_result(p.oid) AS returns
FROM pg_proc p WHERE p.pronamespace = 'analytics'::regnamespace ORDER BY p.proname LIMIT 1000
"""


class ColumnAbout(msgspec.Struct, frozen=True):
    name: str
    type: str
    about: str | None


class ViewAbout(msgspec.Struct, frozen=True):
    name: str
    about: str | None
    columns: list[ColumnAbout]


class FunctionAbout(msgspec.Struct, frozen=True):
    name: str
    about: str | None
    returns: str


class _Described(msgspec.Struct, frozen=True):
    name: str
    about: str | None
    columns: list[dict[str, str | None]]


class Catalog(msgspec.Struct, frozen=True):
    """What the schema `analytics` has, as the database itself says, and questions to begin with."""

    views: list[ViewAbout]
    functions: list[FunctionAbout]
    examples: tuple[Example, ...]


def viewer(who: Who) -> Viewer:
    """Who may list all projects sees all; the whole log is an auditor's, people are the staff's."""
    everything = allowed(Action.PROJECT_LIST_ALL, who)
    return Viewer(
        "all" if everything else who.id,
        accounts=allowed(Action.LOG_READ, who),
        people=allowed(Action.USER_LIST, who),
    )


EVERYTHING = Viewer("all", accounts=True, people=True)  # whoever holds the database's password


async def catalog(db: Connection) -> Catalog:
    views = await fetch_all(db, _Described, DESCRIBE, {})
    return Catalog(
        [
            ViewAbout(one.name, one.about, msgspec.convert(one.columns, list[ColumnAbout]))
            for one in views
        ],
        await fetch_all(db, FunctionAbout, FUNCTIONS, {}),
        EXAMPLES,
    )
