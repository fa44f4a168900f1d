"""Analysts: what they see, in which form, and that they see and do nothing else."""

import csv
import io
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from domain.errors import Invalid, NotAllowed, Refused
from infra.analytics import Viewer, confine, run
from infra.runtime import Runtime
from infra.settings import Settings
from projections.analytics_catalog import FUNCTIONS, VIEWS
from projections.analytics_views import refresh_views
from projections.read import wait_for
from projections.tasks import PROJECTION
from tests.integration.conftest import Api, Json, Person, refusal

ALL = Viewer("all", accounts=True)
TASKS = f"tasks_{PROJECTION.version}"  # the schema that serves


class Desk:
    """An analyst's place: people at work on a project, and somebody who asks."""

    def __init__(self, api: Api, boss: Person, mate: Person, project: str) -> None:
        self.api = api
        self.boss = boss
        self.mate = mate
        self.project = project

    async def task(self, **fields: Json) -> str:
        body = {"title": "Dig", **fields}
        return (await self.boss.do("POST", f"/projects/{self.project}/tasks", body))["id"]

    async def move(self, task: str, status: str) -> None:
        await self.boss.do("PUT", f"/tasks/{task}/status", {"status": status})

    async def ask(self, who: Person, sql: str, **parameters: Json) -> list[dict[str, Any]]:
        """Rows by column, once the last write is there."""
        await wait_for(self.api.runtime, "analytics", self.boss.position)
        await wait_for(self.api.runtime, "queries", self.boss.position)
        answer = await who.do(
            "POST", "/analytics/query", {"sql": sql, "parameters": parameters, "limit": 1000}
        )
        names = [column["name"] for column in answer["columns"]]
        return [dict(zip(names, row, strict=True)) for row in answer["rows"]]


@pytest.fixture
async def desk(api: Api) -> Desk:
    return await at_work(api)


async def at_work(api: Api, views: Runtime | None = None) -> Desk:
    """`views`: whose the views are, if they are not the API's own."""
    async with (views or api.runtime).db.connection() as connection:
        assert await refresh_views(connection)
    boss, mate = await api.as_("manager"), await api.as_("member")
    project = (await boss.do("POST", "/projects", {"name": "Bridge"}))["id"]
    await boss.do("PUT", f"/projects/{project}/members/{mate.id}", {"role": "contributor"})
    return Desk(api, boss, mate, project)


@pytest.fixture
async def anna(desk: Desk) -> Person:
    return await desk.api.as_("analyst")


async def test_every_view_and_function_is_made_and_says_what_it_is(anna: Person) -> None:
    shown = await anna("GET", "/analytics/views")
    catalog = shown.json()
    assert [view["name"] for view in catalog["views"]] == sorted(view.name for view in VIEWS)
    assert all(view["about"] for view in catalog["views"])
    assert all(column["about"] for view in catalog["views"] for column in view["columns"])
    named = {function["name"].partition("(")[0] for function in catalog["functions"]}
    assert {function.name for function in FUNCTIONS} < named
    for view in catalog["views"]:
        sql = f"TABLE {view['name']}"
        await anna.do("POST", "/analytics/query", {"sql": sql})


async def test_every_question_to_begin_with_has_an_answer(desk: Desk, anna: Person) -> None:
    task = await desk.task(assignee=desk.mate.id)
    for status in ("in_progress", "done"):
        await desk.move(task, status)
    catalog = (await anna("GET", "/analytics/views")).json()
    answered = set[str]()
    for example in catalog["examples"]:
        for project in (None, desk.project):
            given = {"project": project, "days": "30"}
            used = {name: one for name, one in given.items() if f":{name}" in example["sql"]}
            rows = await desk.ask(anna, example["sql"], **used)
            drawing = example["drawing"]
            if rows:
                assert rows[0].keys() >= {drawing["x"], *drawing["y"]}, example["name"]
                answered.add(example["name"])
    assert answered >= {"Work made and done", "From begun to done", "Tasks by state"}


async def test_a_task_as_it_was(desk: Desk, anna: Person) -> None:
    task = await desk.task(assignee=desk.mate.id, due="2030-02-01")
    before = datetime.now(UTC).isoformat()
    await desk.boss.do("PATCH", f"/tasks/{task}", {"title": "Dig deeper", "due": None})
    await desk.move(task, "done")
    sql = "SELECT title, status, assignee, due FROM task_as_of(:at) WHERE task = :task"
    now = datetime.now(UTC).isoformat()
    [then] = await desk.ask(anna, sql, at=before, task=task)
    assert then == {
        "title": "Dig",
        "status": "todo",
        "assignee": desk.mate.id,
        "due": "2030-02-01",
    }
    [today] = await desk.ask(anna, sql, at=now, task=task)
    assert today == {
        "title": "Dig deeper",
        "status": "done",
        "assignee": desk.mate.id,
        "due": None,
    }
    assert await desk.ask(anna, sql, at="2000-01-01", task=task) == []


async def test_a_project_as_it_was(desk: Desk, anna: Person) -> None:
    before = datetime.now(UTC).isoformat()
    await desk.boss.do("PATCH", f"/projects/{desk.project}", {"name": "Tunnel"})
    sql = "SELECT name FROM project_as_of(:at)"
    assert await desk.ask(anna, sql, at=before) == [{"name": "Bridge"}]
    assert await desk.ask(anna, sql, at=datetime.now(UTC).isoformat()) == [{"name": "Tunnel"}]


async def test_throughput_burndown_and_cycle_time(desk: Desk, anna: Person) -> None:
    first, second = await desk.task(), await desk.task()
    await desk.task()
    for status in ("in_progress", "done", "todo", "done"):  # reopened, and done again
        await desk.move(first, status)
    await desk.move(second, "cancelled")
    [day] = await desk.ask(anna, "SELECT created, done, cancelled FROM throughput")
    assert day == {"created": 3, "done": 2, "cancelled": 1}
    [day] = await desk.ask(anna, "SELECT opened, closed, open FROM burndown")
    assert day == {"opened": 4, "closed": 3, "open": 1}
    [week] = await desk.ask(anna, "SELECT tasks, cycle_p50_hours, lead_p50_hours FROM cycle_time")
    assert week["tasks"] == 1
    assert 0 < week["cycle_p50_hours"] < week["lead_p50_hours"] < 1


async def test_the_workload_of_a_person(desk: Desk, anna: Person) -> None:
    late = await desk.task(assignee=desk.mate.id, due="2020-01-01", priority="urgent")
    await desk.task(assignee=desk.mate.id, due="2090-01-01")
    await desk.task()
    await desk.move(late, "in_progress")
    await desk.move(await desk.task(assignee=desk.mate.id), "done")
    sql = "SELECT open, in_progress, urgent, overdue, next_due FROM workload WHERE person = :person"
    [row] = await desk.ask(anna, sql, person=desk.mate.id)
    assert row == {
        "open": 2,
        "in_progress": 1,
        "urgent": 1,
        "overdue": 1,
        "next_due": "2020-01-01",
    }


async def test_who_works_with_whom(desk: Desk, anna: Person) -> None:
    task = await desk.task(assignee=desk.mate.id)
    comment = {"body": "look", "mentions": [desk.boss.id]}
    made = await desk.mate.do("POST", f"/tasks/{task}/comments", comment)
    desk.boss.position = made["position"]
    rows = await desk.ask(anna, "SELECT person, other, kind, times FROM collaboration")
    boss, mate = desk.boss.id, desk.mate.id
    assert sorted((row["kind"], row["person"], row["other"], row["times"]) for row in rows) == (
        sorted(
            [
                ("assigned", boss, mate, 1),
                ("mentioned", mate, boss, 1),
                ("same_task", boss, mate, 1),
                ("same_task", mate, boss, 1),
            ]
        )
    )


async def test_queries_are_kept_by_name_each_persons_own(desk: Desk, anna: Person) -> None:
    asked = {"sql": "TABLE burndown", "drawing": {"kind": "line", "x": "day", "y": ["open"]}}
    await anna.do("PUT", "/analytics/queries/Open tasks", asked)
    assert (await anna("GET", "/analytics/queries")).json() == [{"name": "Open tasks", **asked}]
    assert (await desk.boss("GET", "/analytics/queries")).json() == []
    unknown = "404 query.not_found"
    assert await desk.boss.refused("DELETE", "/analytics/queries/Open tasks") == unknown
    await anna.do("DELETE", "/analytics/queries/Open tasks")
    assert (await anna("GET", "/analytics/queries")).json() == []


async def test_an_answer_as_csv_and_parquet(desk: Desk, anna: Person) -> None:
    sql = "SELECT n, n::text AS t, n / 2.0 AS half, now() AS at, '{}'::jsonb AS j"
    sql += " FROM generate_series(1, 3000) n"
    body = {"sql": sql, "format": "csv", "limit": 2500}
    text = await anna("POST", "/analytics/query", body)
    rows = list(csv.reader(io.StringIO(text.text)))
    assert rows[0] == ["n", "t", "half", "at", "j"]
    assert (len(rows), rows[1][:2], rows[1][4]) == (2501, ["1", "1"], "{}")
    assert (text.headers["X-Rows"], text.headers["X-Truncated"]) == ("2500", "true")
    file = await anna("POST", "/analytics/query", {**body, "format": "parquet", "limit": 3000})
    table: Any = import_module("pyarrow.parquet").read_table(io.BytesIO(file.content))
    assert table.num_rows == 3000
    assert [str(field.type) for field in table.schema] == [
        "int64",
        "string",
        "double",
        "timestamp[us, tz=UTC]",
        "string",
    ]
    assert file.headers["X-Truncated"] == "false"


async def test_parameters_are_values_and_never_sql(desk: Desk, anna: Person) -> None:
    sql = "SELECT :a AS a, ':b' AS b, 1::int AS c, '50%' AS d -- :e"
    evil = "'; DROP TABLE formula_events; --"
    assert await desk.ask(anna, sql, a=evil) == [{"a": evil, "b": ":b", "c": 1, "d": "50%"}]
    missing = await anna("POST", "/analytics/query", {"sql": "SELECT :x"})
    assert refusal(missing) == "422 analytics.missing_parameter"
    assert missing.json()["name"] == "x"


NOT_A_QUERY = "422 analytics.bad_query"
NO_FUNCTION = "403 analytics.forbidden_function"
NO_RIGHT = "403 analytics.not_allowed"

ATTEMPTS = {
    "DELETE FROM formula_events": NOT_A_QUERY,
    "INSERT INTO tasks (title) VALUES ('x')": NOT_A_QUERY,
    "UPDATE formula_daily SET tasks = 0": NOT_A_QUERY,
    "CREATE TABLE x (y int)": NOT_A_QUERY,
    "DROP SCHEMA analytics CASCADE": NOT_A_QUERY,
    "SELECT 1; DELETE FROM formula_events": NOT_A_QUERY,
    "SELECT 1; COMMIT; DELETE FROM formula_events": NOT_A_QUERY,
    "WITH x AS (DELETE FROM public.formula_daily RETURNING 1) TABLE x": NOT_A_QUERY,
    "SELECT 1 INTO x": NOT_A_QUERY,
    "SELECT * FROM public.formula_daily FOR UPDATE": NO_RIGHT,
    "SET ROLE NONE": NOT_A_QUERY,
    "RESET ROLE": NOT_A_QUERY,
    "RESET SESSION AUTHORIZATION": NOT_A_QUERY,
    "SELECT 1; RESET ROLE": NOT_A_QUERY,
    "COMMIT": NOT_A_QUERY,
    "COPY people TO PROGRAM 'cat'": NOT_A_QUERY,
    "COPY (SELECT 1) TO '/tmp/x'": NOT_A_QUERY,
    "DO $$ BEGIN DELETE FROM formula_events; END $$": NOT_A_QUERY,
    "LOCK TABLE formula_events": NOT_A_QUERY,
    "LISTEN formula_events": NOT_A_QUERY,
    "EXPLAIN ANALYZE SELECT 1": NOT_A_QUERY,
    "SELECT set_config('role', 'none', true)": NO_FUNCTION,
    "SELECT \"set_config\"('role', 'none', true)": NO_FUNCTION,
    "SELECT pg_catalog . SET_CONFIG('role', 'none', true)": NO_FUNCTION,
    "SELECT U&\"set\\005fconfig\"('role', 'none', true)": NOT_A_QUERY,
    "SELECT set_config('transaction_read_only', 'off', true)": NO_FUNCTION,
    "SELECT query_to_xml('SELECT * FROM formula_credentials', true, true, '')": NO_FUNCTION,
    "SELECT ts_stat('SELECT hash::tsvector FROM formula_credentials')": NO_FUNCTION,
    "SELECT pg_read_file('/etc/passwd')": NO_FUNCTION,
    "SELECT pg_ls_dir('/')": NO_FUNCTION,
    "SELECT lo_import('/etc/passwd')": NO_FUNCTION,
    "SELECT pg_advisory_lock(5014001)": NO_FUNCTION,
    "SELECT pg_advisory_xact_lock(5014001)": NO_FUNCTION,
    "SELECT pg_notify('formula_events', '')": NO_FUNCTION,
    "SELECT pg_terminate_backend(1)": NO_FUNCTION,
    "SELECT nextval('formula_events_notification_id_seq')": NO_FUNCTION,
    "SELECT formula_advance('live', 0, 1)": NO_FUNCTION,
    "SELECT pg_sleep(60)": NO_FUNCTION,
    "SELECT * FROM public.formula_credentials": NO_RIGHT,
    "SELECT * FROM public.formula_refresh_tokens": NO_RIGHT,
    "SELECT * FROM public.formula_events": NO_RIGHT,
    "SELECT * FROM public.formula_log": NO_RIGHT,
    "SELECT * FROM public.formula_jobs": NO_RIGHT,
    "SELECT * FROM formula_credentials": NO_RIGHT,
    "SELECT * FROM pg_catalog.pg_authid": NO_RIGHT,
    "SELECT nothing FROM nowhere": NOT_A_QUERY,
}


async def read(settings: Settings, query: str, time_s: float = 5.0) -> None:
    async with run(settings.database_url, ALL, query, {}, 10, time_s=time_s) as rows:
        async for _ in rows.chunks:
            pass


@pytest.mark.parametrize("sql", ATTEMPTS)
async def test_no_way_out(sql: str, settings: Settings) -> None:
    """At the level of the database: whatever the edge lets through."""
    with pytest.raises(Refused) as caught:
        await read(settings, sql)
    assert caught.value.code == ATTEMPTS[sql].split()[1], caught.value.detail


async def test_the_role_alone_keeps_a_query_in(settings: Settings) -> None:
    """Without the check of names: as who would find a way around it."""
    async with await psycopg.AsyncConnection[Any].connect(settings.database_url) as connection:
        await confine(connection, ALL, 5.0)
        for statement in (
            "SELECT * FROM public.formula_credentials",
            "DELETE FROM public.formula_events",
            "CREATE TABLE public.x (y int)",
            "CREATE TEMP TABLE x (y int)",
            "COPY (SELECT 1) TO PROGRAM 'cat'",
            "SELECT pg_read_file('/etc/passwd')",
            "SET TRANSACTION READ WRITE",
        ):
            with pytest.raises(psycopg.Error):
                async with connection.transaction():
                    await connection.execute(statement)


async def test_a_query_that_takes_too_long_is_ended(settings: Settings) -> None:
    sql = "SELECT count(*) FROM generate_series(1, 1000000000) a"
    with pytest.raises(Invalid) as caught:
        await read(settings, sql, time_s=0.2)
    assert caught.value.code == "analytics.too_slow"


async def test_the_views_follow_a_switch_and_do_not_wait_for_a_query(
    desk: Desk, anna: Person
) -> None:
    runtime = desk.api.runtime
    await desk.task()
    await desk.ask(anna, "SELECT 1")
    async with runtime.db.connection() as connection, runtime.db.connection() as reader:
        await serve_copy(runtime, "tasks")
        async with reader.transaction():
            await reader.execute("SELECT count(*) FROM analytics.tasks")
            assert not await refresh_views(connection)  # somebody reads
        assert await refresh_views(connection)
        await connection.execute(f"DROP SCHEMA {TASKS} CASCADE".encode())
        async with connection.transaction():
            await confine(connection, ALL, 5.0)
            cursor = await connection.execute("SELECT title FROM analytics.tasks")
            assert await cursor.fetchall() == [("copied",)]


async def serve_copy(runtime: Runtime, projection: str) -> None:
    """Another generation, which can be told from the first."""
    async with runtime.db.connection() as connection, connection.transaction():
        await connection.execute("CREATE SCHEMA copied")
        for table in ("tasks", "comments"):
            copy = f"CREATE TABLE copied.{table} AS SELECT * FROM {TASKS}.{table}"  # noqa: S608
            await connection.execute(copy.encode())
        await connection.execute("UPDATE copied.tasks SET title = 'copied'")
        await connection.execute(
            "UPDATE formula_generations SET state = 'retired' WHERE projection = %s", (projection,)
        )
        await connection.execute(
            "INSERT INTO formula_generations (projection, schema, version, state)"
            " VALUES (%s, 'copied', %s, 'serving')",
            (projection, PROJECTION.version),
        )


async def test_views_are_made_only_when_something_changed(desk: Desk) -> None:
    async with desk.api.runtime.db.connection() as connection:
        oids = "SELECT array_agg(oid ORDER BY oid) FROM pg_class WHERE relnamespace ="
        oids += " 'analytics'::regnamespace"
        before = await (await connection.execute(oids)).fetchone()  # pyright: ignore[reportArgumentType]
        assert await refresh_views(connection)
        assert await (await connection.execute(oids)).fetchone() == before  # pyright: ignore[reportArgumentType]


async def test_without_the_role_a_query_says_what_to_do(settings: Settings) -> None:
    """As an owner of the database who may not make roles."""
    name = f"plain_{uuid4().hex[:8]}"
    plain = make_conninfo(settings.database_url, user=name, password=name)
    async with await psycopg.AsyncConnection[Any].connect(
        settings.database_url, autocommit=True
    ) as connection:
        role = sql.Identifier(name)
        await connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, name))
        try:
            async with await psycopg.AsyncConnection[Any].connect(plain) as other:
                cursor = await other.execute("SELECT formula_analyst_role()")
                assert await cursor.fetchone() == (False,)
            with pytest.raises(NotAllowed) as caught:
                await read(msgspec.structs.replace(settings, database_url=plain), "SELECT 1")
        finally:
            await connection.execute(sql.SQL("DROP ROLE {}").format(role))
    assert caught.value.code == "analytics.no_role"
    assert f"GRANT formula_analyst TO {name}" in str(caught.value.detail["reason"])
