"""The console for everybody: by keyboard alone, to a screen reader, light and dark, on a phone."""

import pytest

from tests.browser.conftest import Consoles
from tests.browser.console import SHIFT
from tests.browser.test_console_room import Together, sees_in, together

pytestmark = [
    pytest.mark.services,
    pytest.mark.browser,
    pytest.mark.timeout(400),  # the first may have to install a browser
    pytest.mark.xdist_group("browser"),
]

WIDTHS = (1440, 820, 360)


def views(here: Together) -> dict[str, tuple[str, str]]:
    """By name: where, and what is seen once it is there."""
    room = f"projects/{here.project}"
    return {
        "projects": ("projects", "find('P', 'a.card')"),
        "board": (room, "text('.board').includes('Draw the page')"),
        "task": (f"{room}/task/{here.task}", "text('.comments').includes('Nothing is said yet')"),
        "document": (f"{room}/documents/{here.document}", "find('Goal', 'textarea')"),
        "activity": (f"{room}/activity", "text('.feed').includes('began the document')"),
    }


async def test_nothing_keeps_people_out_in_light_or_dark(consoles: Consoles) -> None:
    here = await together(consoles)
    window, found = here.ann, list[str]()
    for scheme in ("light", "dark"):
        await window.scheme(scheme)
        for name, (path, seen) in views(here).items():
            await window.go(path)
            await window.sees(seen)
            found += await window.audited(f"{name}, {scheme}")
    assert found == []


async def test_the_way_in_keeps_nobody_out(consoles: Consoles) -> None:
    window = await consoles.closed(await consoles.server.person("Ann"))
    await window.sees("globalThis.find?.('E-mail')")
    assert await window.audited("login") == []


async def test_a_field_that_somebody_holds_and_a_list_of_names_keep_nobody_out(
    consoles: Consoles,
) -> None:
    here = await together(consoles)
    for window in (here.ann, here.bob):
        await window.go(f"projects/{here.project}/task/{here.task}")
    await here.ann.focus("Description")
    await here.ann.write("A draft")
    await here.bob.sees("find('Description', 'textarea')?.readOnly")
    await here.bob.focus("Comment")
    await here.bob.write("@")
    await here.bob.sees("find('Ann', '[role=option]')")
    assert await here.bob.audited("held") == []


async def test_it_fits_every_width(consoles: Consoles) -> None:
    here = await together(consoles)
    window = here.ann
    for width in WIDTHS:
        await window.size(width)
        for name, (path, seen) in views(here).items():
            await window.go(path)
            await window.sees(seen)
            assert await window.wide() <= width, f"{name} at {width}"
            cut = "return find('Sign out').getBoundingClientRect().right"
            assert await window.run(cut) <= width, f"{name} at {width}"


async def test_all_can_be_done_without_a_mouse(consoles: Consoles) -> None:
    ann = await consoles.server.person("Ann")
    await consoles.server.room(ann)
    window = await consoles.closed(ann)
    await window.sees("globalThis.find?.('E-mail')")
    await window.reach("E-mail")
    await window.write(ann.me.email)
    await window.press("Tab")
    await window.write("correct horse battery")
    await window.press("Enter")
    await window.sees("find('P', 'a.card')")
    await window.reach("P ")
    await window.press("Enter")
    await window.sees("find('New task in To do')")
    await window.reach("New task in To do")
    await window.press("Enter")
    await window.sees("named(document.activeElement) === 'Title of the new task'")
    await window.write("By keys")
    await window.press("Enter")
    await sees_in(window, "To do", "By keys")
    await window.press("Escape")
    await window.sees("named(document.activeElement) === 'New task in To do'")
    await window.reach("By keys")
    await window.press("ArrowRight", modifiers=SHIFT)
    await sees_in(window, "In progress", "By keys")
    await window.sees("named(document.activeElement).startsWith('By keys')")
    await window.press("Enter")
    await window.sees("find('Close the task')")
    await window.reach("Comment")
    await window.write("Done so.")
    await window.press("Enter")
    await window.reads("Done so.", ".comments")
    await window.press("Escape", times=2)
    await window.sees("named(document.activeElement).startsWith('By keys')")
    ring = "return getComputedStyle(document.activeElement).outlineStyle"
    assert await window.run(ring) == "solid", "where one is can be seen"
