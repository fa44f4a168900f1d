"""The console's way in, its frame, and what it may cost."""

import pytest

from api.console_files import FOLDER
from domain.user import Role
from tests.browser.conftest import Consoles

pytestmark = [
    pytest.mark.services,
    pytest.mark.browser,
    pytest.mark.timeout(400),  # the first may have to install a browser
    pytest.mark.xdist_group("browser"),
]

OWN_JS = 150 * 1024  # bytes, as they are written
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"  # ms
TRIES = 5
TIMES = 10  # 1 s, where the least that can be seen takes 0.1


async def test_who_signs_in_is_live_and_sees_their_projects(consoles: Consoles) -> None:
    ann = await consoles.server.person("ann")
    await consoles.server.room(ann)
    window = await consoles.window(ann)
    await window.reads("ann", ".account")
    await window.sees("find('P', 'a.card')")
    await consoles.server.room(ann)
    await window.sees("document.querySelectorAll('a.card').length === 2")


async def test_the_wrong_password_is_said_to_be_wrong(consoles: Consoles) -> None:
    window = await consoles.closed(await consoles.server.person("ann"))
    await window.sees("globalThis.find?.('E-mail')")
    await window.run("find('E-mail').value = 'ann@example.org'; find('Password').value = 'no'")
    await window.click("Sign in")
    await window.reads("Wrong e-mail or password.", "[role=alert]")


async def test_a_reload_goes_on_and_a_sign_out_does_not(consoles: Consoles) -> None:
    window = await consoles.window(await consoles.server.person("ann"))
    assert await window.run("return sessionStorage.length") == 0, "nothing lies about meanwhile"
    await window.page.go("Page.reload")
    await window.sees("globalThis.text?.('.connection').includes('Live')")
    await window.click("Sign out")
    await window.sees("find('E-mail')")
    await window.page.go("Page.reload")
    await window.sees("globalThis.find?.('E-mail')")


async def test_who_is_put_out_is_told_why(consoles: Consoles) -> None:
    ann = await consoles.server.person("ann")
    window = await consoles.window(ann)
    await (await consoles.server.person("Ada", Role.ADMIN)).rest.post(
        f"/users/{ann.me.id}/deactivate", {"reason": "left"}
    )
    await window.reads("This account is deactivated.", "[role=alert]")


async def test_the_theme_is_ones_own_choice_and_stays(consoles: Consoles) -> None:
    window = await consoles.closed(await consoles.server.person("ann"))
    paper = "getComputedStyle(document.body).backgroundColor"
    await window.sees("globalThis.find?.('Theme: auto')")
    await window.scheme("dark")
    dark = await window.run(f"return {paper}")
    await window.click("Theme: auto")
    await window.sees(f"{paper} !== dark", dark=dark)
    await window.page.go("Page.reload")
    await window.sees("globalThis.find?.('Theme: light')")
    assert await window.run(f"return {paper}") != dark


def test_its_own_code_is_small() -> None:
    own = [path for path in FOLDER.rglob("*.js") if "node_modules" not in path.parts]
    assert len(own) > 10
    assert sum(path.stat().st_size for path in own) <= OWN_JS


async def test_its_first_paint_is_quick(consoles: Consoles) -> None:
    """Beside that of a page of a few words, by turns: a machine at work slows both."""
    person, paints, least = await consoles.server.person("ann"), list[float](), list[float]()
    for _ in range(TRIES):
        window = await consoles.closed(person)  # which has nothing of it yet
        paints.append(await window.sees(PAINT))
        bare = await consoles.closed(person, path="/livez")
        least.append(await bare.sees(PAINT))
    assert min(paints) < TIMES * min(least)
