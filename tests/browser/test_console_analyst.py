"""The console's analyst: questions in SQL and the read models, drawn."""

import pytest

from api.client.client import Client
from domain.user import Role
from projections.analytics_examples import EXAMPLES
from projections.analytics_views import refresh_views
from projections.read import wait_for
from tests.browser.conftest import Consoles
from tests.browser.console import CONTROL, Window

pytestmark = [
    pytest.mark.services,
    pytest.mark.browser,
    pytest.mark.timeout(400),  # the first may have to install a browser
    pytest.mark.xdist_group("browser"),
]

PHONE = 360
CELLS = "[...document.querySelectorAll('.rows tbody tr')].map((row) => row.innerText.split('\\t'))"
FILES = """
globalThis.files = [];
const made = URL.createObjectURL;
URL.createObjectURL = (file) => (files.push(file), made.call(URL, file));
"""


async def work(consoles: Consoles) -> Client:
    """A manager's project with three tasks, of which one is done, where analysts see it."""
    runtime = consoles.server.runtime
    async with runtime.db.connection() as connection:
        assert await refresh_views(connection)
    boss = await consoles.server.person("Boss", Role.MANAGER)
    project = (await consoles.server.room(boss)).partition(":")[2]
    made = [
        (await boss.rest.post(f"/projects/{project}/tasks", {"title": title})).body
        for title in ("Dig", "Build", "Paint")
    ]
    for status in ("in_progress", "done"):
        answer = await boss.rest.put(f"/tasks/{made[0]['id']}/status", {"status": status})
    for group in ("analytics", "queries"):
        await wait_for(runtime, group, answer.body["position"])
    return boss


async def seen_by_axe(window: Window, where: str) -> list[str]:
    """In both schemes, once colours have come to rest."""
    found = list[str]()
    for scheme in ("light", "dark"):
        await window.scheme(scheme)
        await window.sees("document.getAnimations().length === 0")
        found += await window.audited(f"{where}, {scheme}")
    return found


async def ask(window: Window, sql: str) -> None:
    """In place of what was asked before."""
    await window.focus("SQL")
    await window.run("document.activeElement.select()")
    await window.write(sql)
    await window.press("Enter", modifiers=CONTROL)


async def test_a_question_is_asked_drawn_kept_and_taken_away_by_keys(consoles: Consoles) -> None:
    await work(consoles)
    window = await consoles.window(await consoles.server.person("Anna", Role.ANALYST))
    await window.go("analyst")
    await window.sees("find('SQL', 'textarea')")
    await ask(window, "SELECT status, count(*) AS tasks FROM tasks GROUP BY 1 ORDER BY 2 DESC")
    await window.sees(f"JSON.stringify({CELLS}) === wanted", wanted='[["todo","2"],["done","1"]]')
    await window.reach("tasks")
    await window.press("Enter")
    await window.sees(f"JSON.stringify({CELLS}) === wanted", wanted='[["done","1"],["todo","2"]]')
    await window.focus("Table")
    await window.press("ArrowRight", times=2)
    await window.sees("document.querySelector('.uplot canvas')?.width > 0")
    await window.sees("location.hash.includes('kind=bars')")
    await window.focus("Name of the question")
    await window.write("By state")
    await window.press("Enter")
    await window.sees("find('By state', 'a')?.ariaCurrent === 'true'")
    await window.run(FILES)
    await window.click("CSV")
    await window.reads("2 rows are in the file", ".toasts")
    text = await window.run("return await files[0].text()")
    assert text.splitlines() == ["status,tasks", "todo,2", "done,1"]
    await ask(window, "TABLE formula_log")
    await window.reads("permission denied for view formula_log", "[role=alert]")
    await window.click("By state", "a")
    await window.sees("document.querySelector('.uplot canvas')")
    await window.page.go("Page.reload")
    await window.sees("globalThis.find?.('By state', 'a')?.ariaCurrent === 'true'")
    await window.click("Remove")
    await window.reads("Questions that you save will be here", "aside")


async def test_the_read_models_are_drawn_for_everybody(consoles: Consoles) -> None:
    await work(consoles)
    window = await consoles.window(await consoles.server.person("Anna", Role.ANALYST))
    await window.go("analyst/views")
    drawn = "document.querySelectorAll('.views .card[aria-busy=false]').length"
    await window.sees(f"{drawn} === all", all=len(EXAMPLES))
    await window.sees("document.querySelectorAll('.card .uplot canvas').length >= 4")
    assert await seen_by_axe(window, "views") == []
    await window.size(PHONE)
    assert await window.wide() <= PHONE
    await window.click("Open as a question: Work made and done")
    await window.sees("document.querySelector('.uplot canvas') && find('SQL', 'textarea').value")
    assert await window.run("return find(':days', 'input').value") == "30"
    assert await window.wide() <= PHONE
    await window.size(1280)
    assert await seen_by_axe(window, "question") == []


async def test_each_sees_what_is_theirs(consoles: Consoles) -> None:
    boss = await work(consoles)
    await consoles.server.room(await consoles.server.person("Other", Role.MANAGER))
    manager = await consoles.window(boss)
    await manager.click("Analysis", "nav a")
    await manager.sees("find('SQL', 'textarea')")
    await ask(manager, "SELECT name FROM projects")
    await manager.sees(f"JSON.stringify({CELLS}) === wanted", wanted='[["P"]]')
    member = await consoles.window(await consoles.server.person("Max"))
    await member.go("analyst")
    await member.reads("it is not yours to see", "main")
    assert await member.run("return find('Analysis') ?? null") is None
