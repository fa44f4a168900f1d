"""The console as the API serves it."""

from pathlib import Path

import pytest

from api.console_files import FOLDER, HEADERS, missing, needed, read_console
from domain.access import Action
from tests.integration.conftest import Api, refusal

pytestmark = pytest.mark.services

CONSOLE = read_console(FOLDER)
installed = pytest.mark.skipif(CONSOLE is None, reason="not installed: make console")


@installed
async def test_its_page_has_a_policy_that_lets_nothing_else_run(api: Api) -> None:
    answer = await api.client.get("/")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-cache"
    again = await api.client.get("/", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@installed
def test_its_page_asks_at_once_for_each_module_that_it_runs_at_first() -> None:
    assert CONSOLE is not None
    names = needed(CONSOLE.files)
    assert len(names) == len(set(names))
    assert {"app.js", "lib/page.js", "client/link.js", "vendor/hooks.js"} <= set(names)
    assert not [name for name in names if name.startswith("pages/")]  # who opens them loads them
    page = CONSOLE.page.content.decode()
    for name in names:
        link = f'<link rel="modulepreload" href="/console/{CONSOLE.version}/{name}">'
        assert page.count(link) == 1, name


@installed
async def test_its_files_are_kept_for_ever_under_their_version(api: Api) -> None:
    assert CONSOLE is not None
    assert {"app.js", "style.css", "vendor/preact.js", "client/formula.js"} <= CONSOLE.files.keys()
    for name, file in CONSOLE.files.items():
        answer = await api.client.get(f"/console/{CONSOLE.version}/{name}")
        assert (answer.status_code, answer.content) == (200, file.content), name
        assert answer.headers["Cache-Control"].endswith("immutable")
        assert answer.headers["Content-Type"].split(";")[0] == file.media


@installed
async def test_a_page_of_another_version_gets_what_there_is_but_does_not_keep_it(api: Api) -> None:
    answer = await api.client.get("/console/older/app.js")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


@installed
async def test_nothing_else_is_served_there(api: Api) -> None:
    for name in ("package.json", "node_modules/htm/package.json", "../console_files.py", "x.js"):
        answer = await api.client.get(f"/console/1/{name}")
        assert answer.status_code == 404, name
    assert refusal(await api.client.get("/console/1/x.js")) == "404 module.not_found"


def test_without_its_libraries_the_page_says_what_to_run(tmp_path: Path) -> None:
    assert read_console(tmp_path) is None
    answer = missing()
    assert answer.status_code == 503
    assert "make console" in answer.content


async def test_everybody_may_ask_what_they_may_do(api: Api) -> None:
    auditor, manager = await api.as_("auditor"), await api.as_("manager")
    rights = await auditor.get("/auth/rights")
    assert "audit.read" in rights["actions"]
    assert "task.write" not in rights["actions"]
    assert len((await (await api.as_("admin")).get("/auth/rights"))["actions"]) == len(Action)
    project = (await manager.do("POST", "/projects", {"name": "P"}))["id"]
    inside = await manager.get("/auth/rights", project=project)
    assert inside["project_role"] == "manager"
    assert set(inside["actions"]) > set((await manager.get("/auth/rights"))["actions"])
    assert (await auditor.get("/auth/rights", project=project))["project_role"] is None


async def test_who_works_on_a_project_sees_the_others_names(api: Api) -> None:
    manager, guest = await api.as_("manager"), await api.as_("guest")
    project = (await manager.do("POST", "/projects", {"name": "P"}))["id"]
    await manager.do("PUT", f"/projects/{project}/members/{guest.id}", {"role": "viewer"})
    guest.position = manager.position
    members = (await guest.get(f"/projects/{project}/members"))["items"]
    assert {one["user_id"] for one in members} == {manager.id, guest.id}
    assert all(one["name"] for one in members)


async def test_where_there_is_no_demo_workspace_nobody_is_offered(api: Api) -> None:
    answer = await api.client.get("/api/v1/auth/demo")
    assert answer.json() == {"people": [], "password": ""}
