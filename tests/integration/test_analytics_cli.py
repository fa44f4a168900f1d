"""formula query: the same questions on the command line."""

import csv
import io
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from domain.email import EMAIL, ReserveEmail, email_stream
from domain.project import PROJECT, CreateProject
from domain.user import USER, RegisterUser, Role
from infra.eventstore.execute import Do
from infra.runtime import SYSTEM, Runtime
from projections.analytics_views import refresh_views
from projections.read import wait_for
from tests.integration.command import formula_bytes

BOSS, OTHER = UUID(int=7), UUID(int=8)
NAMES = "SELECT name FROM projects WHERE manager = :m ORDER BY name"


@pytest.fixture
async def staffed(projected: Runtime) -> Runtime:
    """Two projects, one of the manager who asks; an analyst; a guest."""
    now, last = projected.now(), 0
    for role in (Role.MANAGER, Role.ANALYST, Role.GUEST):
        email, user = f"{role}@example.org", BOSS if role is Role.MANAGER else uuid4()
        register = RegisterUser(email=email, name=role, role=role, at=now)
        reserve = Do(EMAIL, email_stream(email), ReserveEmail(user=user))
        await projected.execute(SYSTEM, USER, user, register, reserve)
    for name, manager in (("Bridge", BOSS), ("Tunnel", OTHER)):
        create, project = CreateProject(name=name, manager=manager, at=now), uuid4()
        outcome = await projected.execute(SYSTEM, PROJECT, project, create, project=project)
        last = outcome.position or 0
    await wait_for(projected, "queries", last)
    async with projected.db.connection() as connection:
        assert await refresh_views(connection)
    return projected


async def formula(runtime: Runtime, *arguments: str) -> tuple[int, bytes, str]:
    return await formula_bytes(runtime, "query", *arguments)


async def test_each_form_shows_the_same(staffed: Runtime, tmp_path: Path) -> None:
    ask = (NAMES, "--param", f"m={BOSS}")
    code, out, _ = await formula(staffed, *ask)
    assert (code, out.decode().split()) == (0, ["name", "Bridge"])
    _, out, _ = await formula(staffed, *ask, "--json")
    answer = msgspec.json.decode(out)
    assert answer == {
        "columns": [{"name": "name", "type": "text"}],
        "rows": [["Bridge"]],
        "truncated": False,
    }
    _, out, _ = await formula(staffed, *ask, "--format", "csv")
    assert list(csv.reader(io.StringIO(out.decode()))) == [["name"], ["Bridge"]]
    file = tmp_path / "names.parquet"
    code, _, _ = await formula(staffed, *ask, "--format", "parquet", "--output", str(file))
    table: Any = import_module("pyarrow.parquet").read_table(file)
    assert (code, table.to_pydict()) == (0, {"name": ["Bridge"]})


async def test_a_query_asks_as_a_user(staffed: Runtime) -> None:
    sql = "SELECT name FROM projects ORDER BY name"
    _, out, _ = await formula(staffed, sql, "--as", "analyst@example.org", "--format", "csv")
    assert out.decode().split() == ["name", "Bridge", "Tunnel"]
    _, out, _ = await formula(staffed, sql, "--as", "manager@example.org", "--format", "csv")
    assert out.decode().split() == ["name", "Bridge"]
    code, out, err = await formula(staffed, sql, "--as", "guest@example.org")
    assert (code, out) == (1, b"")
    assert "access.denied" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("SELECT 1; SELECT 2",), "multiple commands"),
        (("SELECT pg_sleep(1)",), "pg_sleep"),
        (("SELECT * FROM formula_credentials",), "permission denied"),
        (("SELECT :x",), "x"),
        (("SELECT 1", "--param", "x"), "NAME=VALUE"),
        (("SELECT 1", "--format", "xml"), "table, json, csv, parquet"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_what_is_wrong_is_one_line(
    arguments: tuple[str, ...], says: str, staffed: Runtime
) -> None:
    code, out, err = await formula(staffed, *arguments)
    assert (code, out) == (1, b"")
    assert err.count("\n") == 1
    assert says in err


async def test_more_than_the_limit_is_said(staffed: Runtime) -> None:
    sql = "SELECT n FROM generate_series(1, 5) n"
    code, out, err = await formula(staffed, sql, "--limit", "2", "--format", "csv")
    assert (code, out.decode().split()) == (0, ["n", "1", "2"])
    assert "--limit" in err
