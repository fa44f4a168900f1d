"""Analysts' SQL shows of rows what the table of access lets its reader see, and no more."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.analytics import Viewer, run
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from migrations.roles import APP
from projections.analytics_catalog import VIEWS
from tests.conftest import projecting
from tests.integration.conftest import Api, Person
from tests.integration.test_analytics import Desk, at_work
from tests.logins import divided


@pytest.fixture(params=["owner", APP])
async def sessions(
    settings: Settings, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Runtime, Runtime]]:
    """Whose the API is, and whose the views are: by the owner alone, and as in production."""
    if request.param == APP:
        async with divided(settings) as both:
            yield both
    else:
        async with open_runtime(settings) as runtime, projecting(runtime):
            yield runtime, runtime


@pytest.fixture
def projected(sessions: tuple[Runtime, Runtime]) -> Runtime:
    return sessions[0]


@pytest.fixture
async def desk(api: Api, sessions: tuple[Runtime, Runtime]) -> Desk:
    return await at_work(api, sessions[1])


@pytest.fixture
async def anna(desk: Desk) -> Person:
    return await desk.api.as_("analyst")


async def test_managers_see_their_own_projects_only(desk: Desk, anna: Person) -> None:
    other = await desk.api.as_("manager")
    await desk.task()
    sql = "SELECT title FROM tasks"
    assert await desk.ask(desk.boss, sql) == await desk.ask(anna, sql) == [{"title": "Dig"}]
    for view in ("tasks", "task_history", "projects", "throughput", "workload", "events"):
        assert await desk.ask(other, f"TABLE {view}") == []
        assert await desk.ask(desk.boss, f"TABLE {view}") != []


async def test_events_about_people_and_the_audit_are_an_auditors(desk: Desk, anna: Person) -> None:
    audrey = await desk.api.as_("auditor")
    await audrey.get("/audit")
    sql = "SELECT count(*) FROM events WHERE type LIKE :type"
    for hidden in ("user.%", "audit.%"):
        assert await desk.ask(anna, sql, type=hidden) == [{"count": 0}]
        assert (await desk.ask(audrey, sql, type=hidden))[0]["count"] > 0
    assert await desk.ask(anna, sql, type="project.created.%") == [{"count": 1}]


async def test_what_was_done_and_said_is_for_members_and_auditors(desk: Desk, anna: Person) -> None:
    """As activity.read, replay.read and log.read say: an analyst may count it, no more."""
    task = await desk.task()
    said = await desk.mate.do("POST", f"/tasks/{task}/comments", {"body": "Between us"})
    gone = await desk.mate.do("DELETE", f"/tasks/{task}/comments/{said['id']}")
    desk.boss.position = gone["position"]
    sql = "SELECT actor, command, data->>'body' AS body FROM events WHERE type LIKE :type"
    [hidden] = await desk.ask(anna, sql, type="task.comment_added.%")
    assert hidden == {"actor": None, "command": None, "body": None}
    assert await anna.refused("GET", f"/projects/{desk.project}/activity") == "403 access.denied"
    audrey = await desk.api.as_("auditor")
    for who in (desk.boss, audrey):
        [told] = await desk.ask(who, sql, type="task.comment_added.%")
        assert told == {"actor": desk.mate.id, "command": "add_comment", "body": "Between us"}
        assert (await who("GET", f"/projects/{desk.project}/activity")).status_code == 200


async def test_what_is_of_no_project_is_an_auditors(desk: Desk, anna: Person) -> None:
    """Also of kinds that nobody has thought of yet: what analysts see is named, not what not."""
    otto = await desk.api.as_("operator")
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    silence = {"reason": "trying", "until": until}
    made = await otto.do("POST", "/realtime/alerts/silences", silence)
    desk.boss.position = made["position"]
    kinds = "SELECT DISTINCT split_part(type, '.', 1) AS kind FROM events ORDER BY 1"
    assert await desk.ask(anna, kinds) == await desk.ask(desk.boss, kinds) == [{"kind": "project"}]
    audrey = await desk.api.as_("auditor")
    assert {"kind": "silence"} in await desk.ask(audrey, kinds)


async def test_whom_one_may_not_look_up_one_sees_by_name_in_projects(
    desk: Desk, anna: Person
) -> None:
    other = await desk.api.as_("manager")
    sql = "SELECT id, role, department, status, created_at FROM people"
    hidden = {"role": None, "department": None, "status": None, "created_at": None}
    seen = await desk.ask(anna, sql)
    assert sorted(row.pop("id") for row in seen) == sorted([desk.boss.id, desk.mate.id])
    assert seen == [hidden, hidden]
    assert await anna.refused("GET", f"/users/{desk.boss.id}") == "403 access.denied"
    everybody = {row["id"]: row["role"] for row in await desk.ask(other, sql)}
    assert everybody[anna.id] == "analyst", "managers may look up anybody"


async def test_an_api_key_asks_with_no_more_than_it_is_for(desk: Desk, anna: Person) -> None:
    """Without project.list_all it is of its owner's projects, of which an analyst has none."""
    await desk.task()
    path = f"/users/{anna.id}/api-keys"
    scopes = {"name": "sheet", "scopes": ["analytics.query"]}
    key = (await anna("POST", path, scopes)).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    await desk.ask(anna, "SELECT 1")
    for view in ("projects", "tasks", "events", "people"):
        answer = await desk.api.client.post(
            "/api/v1/analytics/query", json={"sql": f"TABLE {view}"}, headers=headers
        )
        assert answer.json()["rows"] == [], answer.text


async def test_who_may_not_ask_is_refused(desk: Desk) -> None:
    body = {"sql": "SELECT 1"}
    assert await desk.mate.refused("POST", "/analytics/query", body) == "403 access.denied"
    assert await desk.mate.refused("PUT", "/analytics/queries/x", body) == "403 access.denied"


async def test_a_login_of_ones_own_sees_what_an_analyst_sees_whatever_it_sets(
    desk: Desk, anna: Person, settings: Settings
) -> None:
    asked = (
        "SELECT count(*) FROM events WHERE actor IS NOT NULL OR project IS NULL",
        "SELECT count(*) FROM people WHERE role IS NOT NULL",
        "SELECT count(*) FROM people",
    )
    seen = [await desk.ask(anna, one) for one in asked]
    assert seen == [[{"count": 0}], [{"count": 0}], [{"count": 2}]]
    url, name = settings.database_url, f"analyst_{uuid4().hex[:8]}"
    connect = psycopg.AsyncConnection[Any].connect
    async with await connect(url, autocommit=True) as owner:
        role = sql.Identifier(name)
        await owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, name))
        await owner.execute(sql.SQL("GRANT formula_analyst TO {}").format(role))
        try:
            async with await connect(make_conninfo(url, user=name, password=name)) as db:
                await db.execute("SET search_path TO analytics, public")
                for setting in ("formula.accounts", "formula.people"):
                    await db.execute("SELECT set_config(%s, 'on', false)", (setting,))
                found = [await one_row(db, query) for query in asked]
                await db.execute("SELECT set_config('formula.viewer', %s, false)", (desk.boss.id,))
                as_boss = await one_row(db, asked[0])
        finally:
            await owner.execute(sql.SQL("DROP ROLE {}").format(role))
    assert found == [(0,), (0,), (2,)]
    assert as_boss == (0,)


async def test_who_does_not_say_for_whom_it_asks_sees_nothing(desk: Desk) -> None:
    """As a session that was not confined would: none of the views shows a row."""
    await desk.task()
    await desk.ask(desk.boss, "SELECT 1")
    connect = psycopg.AsyncConnection[Any].connect
    async with await connect(desk.api.runtime.settings.database_url, autocommit=True) as db:
        await db.execute("SET ROLE formula_analyst")
        for view in VIEWS:
            query = sql.SQL("SELECT count(*) FROM {}").format(
                sql.Identifier("analytics", view.name)
            )
            assert await one_row(db, query) == (0,), view.name
        await db.execute("SELECT set_config('formula.viewer', 'all', false)")
        assert await one_row(db, "SELECT count(*) FROM analytics.tasks") == (1,)


async def one_row(db: psycopg.AsyncConnection[Any], query: LiteralString | sql.Composed) -> object:
    return await (await db.execute(query)).fetchone()


async def test_nothing_is_known_of_strangers(desk: Desk) -> None:
    viewer = Viewer(uuid4())
    url = desk.api.runtime.settings.database_url
    async with run(url, viewer, "SELECT * FROM projects", {}, 10) as rows:
        assert [chunk async for chunk in rows.chunks] == []
