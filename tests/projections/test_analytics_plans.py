"""What the group `analytics` writes, and bounded questions to each view, go by an index."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from bench.rows import fill
from infra.analytics import TIME_S, Viewer, confine
from infra.db import Connection
from infra.settings import Settings
from projections.analytics_catalog import FUNCTIONS, VIEWS
from projections.analytics_views import refresh_views
from projections.apply import statements
from projections.generations import BUILDING, SERVING, begin, index, mark, use
from projections.registry import PROJECTIONS
from projections.served import ID
from projections.step import AnyProjection
from tests.integration.test_analytics_models import log

pytestmark = pytest.mark.services

ROWS = 20_000  # of each table
BOUND = 100.0  # of a look, in Postgres's units: from end to end each of them costs 300 and more

GROUP = [one for one in PROJECTIONS if one.group == "analytics"]
IN_VIEWS = {name for view in VIEWS for name in view.over}
VIEWERS = (Viewer("all", accounts=True, people=True), Viewer("all"), Viewer(ID))

P: LiteralString = "project = %(id)s"
QUESTIONS: Mapping[LiteralString, tuple[LiteralString, ...]] = {
    "people": ("id = %(id)s",),
    "projects": (P, "client = %(id)s", "manager = %(id)s"),
    "project_members": (P, "person = %(id)s"),
    "tasks": (P, "task = %(id)s", "assignee = %(id)s"),
    "task_history": (P, "task = %(id)s", "assignee = %(id)s AND valid_to IS NULL"),
    "project_history": (
        P,
        "client = %(id)s AND valid_to IS NULL",
        "manager = %(id)s AND valid_to IS NULL",
    ),
    "events": ("position > 7000 AND position <= 7100",),
    "throughput": (P,),
    "cycle_times": (P, "task = %(id)s"),
    "cycle_time": (P,),
    "burndown": (P,),
    "workload": (P, "person = %(id)s"),
    "collaboration": (P, "person = %(id)s"),
    "presence": (P, "room = 'room 7'", "person = %(id)s"),
    "together": (P, "room = 'room 7'"),
    "lock_holds": (P, "holder = %(id)s"),
    "lock_contention": (P,),
    "daily": (P, "day = '2030-02-01'"),
    "daily_activity": (P, "day = '2030-02-01'"),
    "daily_system": ("day = '2030-02-01'",),
    "task_as_of('2030-01-02')": (P, "task = %(id)s"),
    "project_as_of('2030-01-02')": (P,),
}

# A task is moved a few times, and not at random.
MOVES = """
TRUNCATE task_moves;
INSERT INTO task_moves SELECT task, version, created_at, 'todo', 'done', -1
FROM task_flow, generate_series(1, 3) version
"""


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Connection]:
    connect = psycopg.AsyncConnection[Any].connect
    async with await connect(settings.database_url, autocommit=True) as connection:
        yield connection


async def load(db: Connection, models: list[AnyProjection]) -> dict[str, AnyProjection]:
    """Generations with rows and without indexes, as they are while they are built."""
    schemas = {await begin(db, one): one for one in models}
    await use(db, list(schemas))
    with psycopg.connect(db.info.dsn, password=db.info.password, autocommit=True) as connection:
        for schema, one in schemas.items():
            for table in one.tables:
                fill(connection, f"{schema}.{table.name}", ROWS)
        for name in ("formula_daily", "formula_project_days", "formula_events"):
            fill(connection, name, ROWS)
    await db.execute(MOVES)
    await db.execute("ANALYZE")
    return schemas


@pytest.mark.timeout(120)  # most of it to load
@pytest.mark.parametrize("indexed", [False, True])
async def test_what_is_written_is_found_by_an_index(*, indexed: bool, db: Connection) -> None:
    schemas = await load(db, GROUP)
    for schema, model in schemas.items() if indexed else ():
        await index(db, schema, model)
    explained = 0
    for model in GROUP:
        batch = [one for one in log() if isinstance(one.event, model.events)]
        for one in statements(model.project(batch)):
            assert costs(await plan(db, one.text, one.values)) < BOUND, one.text
            explained += 1
    assert explained >= 2 * len(GROUP)


@pytest.mark.timeout(120)
async def test_bounded_questions_are_answered_by_an_index(db: Connection) -> None:
    assert {name.partition("(")[0] for name in QUESTIONS} == {one.name for one in VIEWS + FUNCTIONS}
    models = [one for one in PROJECTIONS if one.name in IN_VIEWS]
    for schema, model in (await load(db, models)).items():
        await index(db, schema, model)
        await mark(db, schema, SERVING, BUILDING)
    assert await refresh_views(db)
    for view, conditions in QUESTIONS.items():
        for condition in conditions:
            for viewer in VIEWERS:
                async with db.transaction():
                    await confine(db, viewer, TIME_S)
                    query: LiteralString = f"SELECT * FROM {view} WHERE {condition}"  # noqa: S608
                    assert costs(await plan(db, query, {"id": ID})) < BOUND, (query, viewer)


async def plan(db: Connection, query: LiteralString | sql.Composed, values: Any) -> Any:
    asked = sql.SQL("EXPLAIN (FORMAT JSON) ") + (
        sql.SQL(query) if isinstance(query, str) else query
    )
    row = await (await db.execute(asked, values, prepare=False)).fetchone()
    assert row is not None
    return row[0][0]["Plan"]


def costs(plan: dict[str, Any]) -> float:
    """Of the dearest look into a table or an index."""
    return max((node["Total Cost"] for node in looks(plan)), default=0.0)


def looks(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "Scan" in node["Node Type"] and not {"Relation Name", "Index Name"}.isdisjoint(node):
        yield node
    for child in node.get("Plans", ()):
        yield from looks(child)
