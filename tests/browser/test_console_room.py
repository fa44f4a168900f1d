"""People who work in one project's room, each in a window of their own."""

from collections.abc import Mapping

import pytest

from api.client.client import Client
from api.seed import seed
from domain.user import Role
from tests.browser.conftest import Consoles
from tests.browser.console import SHIFT, Window

pytestmark = [
    pytest.mark.services,
    pytest.mark.browser,
    pytest.mark.timeout(400),  # the first may have to install a browser
    pytest.mark.xdist_group("browser"),
]

COLUMN = "find(`${name},`, 'section')?.innerText.includes(title)"


class Together:
    """Ann, who manages, and Bob, who contributes, in a project with a task and a document."""

    def __init__(self, ann: Window, bob: Window, project: str, task: str, document: str) -> None:
        self.ann, self.bob = ann, bob
        self.project, self.task, self.document = project, task, document


async def together(consoles: Consoles) -> Together:
    ann, bob = [await consoles.server.person(name) for name in ("Ann", "Bob")]
    project = (await consoles.server.room(ann, bob)).partition(":")[2]
    task = await made(ann, f"/projects/{project}/tasks", {"title": "Draw the page"})
    plan = {"title": "Plan", "fields": {"goal": "To be quick."}}
    document = await made(ann, f"/projects/{project}/documents", plan)
    both = [await consoles.window(person) for person in (ann, bob)]
    for window in both:
        await window.go(f"projects/{project}")
    for window in both:
        await window.sees("document.querySelectorAll('.faces li').length === 2")
    return Together(both[0], both[1], project, task, document)


async def made(person: Client, path: str, body: Mapping[str, object]) -> str:
    answer = await person.rest.post(path, body)
    await person.rest.get("/projects", min_position=answer.body["position"])
    return str(answer.body["id"])


async def sees_in(window: Window, column: str, title: str) -> None:
    await window.sees(COLUMN, name=column, title=title)


async def test_who_is_here_and_where_they_point_is_seen(consoles: Consoles) -> None:
    here = await together(consoles)
    ann, bob = here.ann, here.bob
    await bob.sees("find('Ann: online', '.avatar')")
    await ann.run("find('Your status', 'select').value = 'busy'")
    await ann.run("find('Your status').dispatchEvent(new Event('change'))")
    await bob.sees("find('Ann: busy', '.avatar.busy')")
    await ann.point(500, 300)
    mine = "document.querySelector(`.cursor[data-user='${id}']`)"
    await bob.sees(mine, id=ann.id)
    for x in (500, 700):
        await ann.point(x, 300)
        await bob.sees(f"Math.abs({mine}?.getBoundingClientRect().x - x) < 4", id=ann.id, x=x)
    assert await ann.run(f"return {mine}", id=ann.id) is None, "one's own is no news"
    await bob.size(360)
    done = "find('Done,', 'section').getBoundingClientRect()"
    middle = await ann.run(f"const {{ x, width }} = {done}; return x + width / 2")
    await ann.point(middle, 300)
    at = f"{mine}?.getBoundingClientRect().x"
    await bob.sees(f"{done}.left < {at} && {at} < {done}.right", id=ann.id)


async def test_a_task_is_made_and_moved_on_both_screens(consoles: Consoles) -> None:
    here = await together(consoles)
    await here.ann.click("New task in To do")
    await here.ann.focus("Title of the new task")
    await here.ann.write("Write the text")
    await here.ann.press("Enter")
    await sees_in(here.bob, "To do", "Write the text")
    await here.bob.reads("added “Write the text”", ".feed")
    await here.bob.run(f"document.querySelector('[data-task=\"{here.task}\"]').focus()")
    await here.bob.press("ArrowRight", modifiers=SHIFT)
    await sees_in(here.ann, "In progress", "Draw the page")
    assert await here.bob.run("return document.activeElement.dataset.task") == here.task


async def test_a_field_is_ones_own_while_one_writes(consoles: Consoles) -> None:
    here = await together(consoles)
    for window in (here.ann, here.bob):
        await window.go(f"projects/{here.project}/documents/{here.document}")
    await here.ann.focus("Goal")
    await here.ann.press("End")
    await here.ann.write(" And kind.")
    await here.bob.sees("find('Goal', 'textarea')?.readOnly")
    await here.bob.reads("Ann", ".field-note")
    await here.bob.sees("/0:[0-5]\\d/.test(text('.field-note time'))")
    await here.bob.sees("find('Goal', 'textarea').value.includes('And kind.')")
    await here.bob.click("Wait for it")
    await here.ann.run("document.activeElement.blur()")
    await here.bob.reads("Yours while you write", ".field-note")
    await here.bob.sees("named(document.activeElement) === 'Goal'")
    await here.ann.sees("find('Goal', 'textarea')?.readOnly")
    await here.bob.write("Yes: ")
    await here.bob.run("document.activeElement.blur()")
    await here.ann.sees("find('Goal', 'textarea').value.includes('Yes: ')")
    await here.ann.sees("!find('Goal', 'textarea').readOnly")
    await here.bob.focus("Goal")
    await here.bob.write("No. ")
    await here.ann.click("Take over")
    await here.ann.sees("find('Reason', 'dialog label')")
    await here.ann.write("it is late")
    await here.ann.press("Enter")
    await here.bob.reads("it is late", ".toasts")
    await here.ann.sees("named(document.activeElement) === 'Goal'")
    await here.ann.run("document.activeElement.blur()")
    await here.bob.sees("!find('Goal', 'textarea').readOnly")


async def test_a_comment_names_somebody_and_tells_them(consoles: Consoles) -> None:
    here = await together(consoles)
    await here.bob.go(f"projects/{here.project}/task/{here.task}")
    await here.ann.go(f"projects/{here.project}/task/{here.task}")
    await here.ann.focus("Comment")
    await here.ann.write("@bo")
    await here.ann.sees("find('Bob', '[role=option]')")
    await here.ann.press("Enter")
    await here.ann.sees("find('Comment', 'textarea').value === '@Bob '")
    await here.bob.reads("Ann is typing …", ".typists")
    await here.ann.write("look")
    await here.ann.press("Enter")
    await here.bob.reads("@Bob look", ".comment.to-me")
    await here.bob.reads("Ann mentioned you on “Draw the page”", ".toasts")
    await here.bob.sees("!text('.typists').includes('Ann')")


async def test_what_is_done_offline_is_queued_and_done_once(consoles: Consoles) -> None:
    here = await together(consoles)
    here.bob.network.cut(down=True)
    await here.bob.reads("Offline", ".connection")
    await here.ann.sees("find('Bob: reconnecting', '.avatar')")
    await here.bob.run(f"document.querySelector('[data-task=\"{here.task}\"]').focus()")
    await here.bob.press("ArrowRight", modifiers=SHIFT)
    await sees_in(here.bob, "In progress", "Draw the page")
    await here.bob.reads("1 waiting", ".connection")
    await here.ann.click("New task in Done")
    await here.ann.focus("Title of the new task")
    await here.ann.write("Meanwhile")
    await here.ann.press("Enter")
    here.bob.network.down = False
    await here.bob.reads("Live", ".connection")
    await sees_in(here.ann, "In progress", "Draw the page")
    await sees_in(here.bob, "Done", "Meanwhile")
    await here.ann.sees("find('Bob: online', '.avatar')")
    moved = "text('.feed').split('moved “Draw the page”').length - 1"
    assert await here.ann.sees(moved) == 1


async def test_a_viewer_reads_along_and_is_offered_nothing_else(consoles: Consoles) -> None:
    here = await together(consoles)
    cleo = await consoles.server.person("Cleo")
    path = f"/projects/{here.project}/members/{cleo.me.id}"
    answer = await here.ann.person.rest.put(path, {"role": "viewer"})
    await here.ann.person.rest.get("/projects", min_position=answer.body["position"])
    window = await consoles.window(cleo)
    await window.go(f"projects/{here.project}/task/{here.task}")
    await window.sees("find('Title', 'input')?.readOnly")
    await here.ann.sees("find('Cleo: online', '.avatar')")
    assert await window.run("return find('New task') ?? find('Comment', 'textarea')") is None
    assert await window.run("return find('Status', 'select').disabled")


async def test_a_newcomer_is_a_click_from_the_demo_and_another_from_company(
    consoles: Consoles,
) -> None:
    await seed(consoles.server.runtime)
    window = await consoles.closed(await consoles.server.person("Ann"))
    await window.sees("globalThis.find?.('Grace Hopper', '.demo button')")
    await window.click("Grace Hopper", ".demo button")
    await window.click("Website relaunch", "a.card")
    await window.sees("document.querySelectorAll('.faces li').length === 1")
    await window.click("Simulate people")
    await window.sees("document.querySelectorAll('.faces li').length === 4")
    await window.sees(
        "new Set([...document.querySelectorAll('.cursor')].map((c) => c.dataset.user)).size > 1"
    )
    await window.click("Stop simulation")
    await window.sees("document.querySelectorAll('.faces li').length === 1")


async def test_who_may_only_read_is_told_so_and_sees_the_board(consoles: Consoles) -> None:
    here = await together(consoles)
    window = await consoles.window(await consoles.server.person("Audrey", Role.AUDITOR))
    await window.go(f"projects/{here.project}")
    await sees_in(window, "To do", "Draw the page")
    await window.reads("Read only", ".room-people")
    assert await window.run("return find('New task') ?? null") is None
