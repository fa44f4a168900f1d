"""The console in a window of Chromium, as people use it: looked at, clicked, typed into."""

import base64
from collections.abc import Mapping
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest

from api.client.client import Client
from tests.api.served import PASSWORD
from tests.browser.chromium import ChromiumPage, browser
from tests.browser.network import Network, network
from tests.browser.page import Json, call, wait_for
from tests.npm import node_modules

# `find`: what is seen by the name that screen readers say. `violations`: of the page's policy.
FIRST = """
globalThis.violations = [];
addEventListener("securitypolicyviolation", (event) =>
    violations.push(`${event.violatedDirective} ${event.blockedURI}`));
globalThis.spoken = (one) => {
    const copy = one.cloneNode(true);
    for (const silent of copy.querySelectorAll("[aria-hidden=true]")) silent.remove();
    for (const part of copy.querySelectorAll("*")) part.append(" ");
    return copy.textContent;
};
globalThis.named = (one) => (one.getAttribute("aria-label")
    ?? spoken(one.labels?.[0] ?? one)).trim().replace(/\\s+/g, " ");
globalThis.find = (name, kind = "a, button, summary, input, textarea, select, [role]") =>
    [...document.querySelectorAll(kind)].find((one) =>
        one.checkVisibility() && named(one).startsWith(name));
globalThis.text = (selector = "body") => document.querySelector(selector)?.innerText ?? "";
"""
AUDIT = """
const { violations } = await axe.run(document, { resultTypes: ["violations"] });
const grave = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
return grave.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html)}`);
"""
WIDE = """
const main = document.querySelector("main");
return document.documentElement.scrollWidth + main.scrollWidth - main.clientWidth;
"""
KEYS: Mapping[str, tuple[str, int, str]] = {  # by name: code, number, text
    "Tab": ("Tab", 9, ""),
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    "Space": ("Space", 32, " "),
    "End": ("End", 35, ""),
    "ArrowLeft": ("ArrowLeft", 37, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    "ArrowRight": ("ArrowRight", 39, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
}
SHIFT, CONTROL = 8, 2


class Window:
    """Somebody's window, on a network that can be cut."""

    def __init__(self, person: Client, page: ChromiumPage, between: Network, base: str) -> None:
        self.person, self.page, self.network, self.base = person, page, between, base
        self.id = str(person.me.id)

    async def run(self, script: str, **given: object) -> Json:
        return await call(self.page, script, **given)

    async def sees(self, condition: str, **given: object) -> Json:
        return await wait_for(self.page, condition, **given)

    async def reads(self, text: str, where: str = "body") -> None:
        await self.sees("globalThis.text?.(where).includes(said)", where=where, said=text)

    async def login(self) -> None:
        await self.sees("globalThis.find?.('E-mail')")
        script = "find('E-mail').value = email; find('Password').value = password"
        await self.run(script, email=self.person.me.email, password=PASSWORD)
        await self.click("Sign in")
        await self.sees("text('.connection').includes('Live')")

    async def go(self, path: str) -> None:
        await self.run("location.hash = path", path=f"#/{path}")

    async def click(self, name: str, kind: str | None = None) -> None:
        """What people read by that name, once it is there and enabled."""
        given = {"name": name, **({} if kind is None else {"kind": kind})}
        which = "name" if kind is None else "name, kind"
        await self.sees(f"find({which})?.disabled === false || find({which})?.href", **given)
        await self.run(f"find({which}).click()", **given)

    async def focus(self, name: str) -> None:
        await self.sees("find(name)", name=name)
        await self.run("find(name).focus()", name=name)

    async def press(self, key: str, *, times: int = 1, modifiers: int = 0) -> None:
        code, number, text = KEYS.get(key, (f"Key{key.upper()}", ord(key.upper()[0]), ""))
        shown = " " if key == "Space" else key
        said = {"key": shown, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        for _ in range(times):
            down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
            await self.page.call("Input.dispatchKeyEvent", **down, **said)
            await self.page.call("Input.dispatchKeyEvent", type="keyUp", **said)

    async def reach(self, name: str) -> None:
        """By Tab, as often as it takes; not without end."""
        focused = "return named(document.activeElement).startsWith(name)"
        for _ in range(60):
            await self.press("Tab")
            if await self.run(focused, name=name):
                return
        pytest.fail(f"no Tab leads to {name}")

    async def write(self, text: str) -> None:
        """Letter by letter, into what has the focus."""
        for letter in text:
            await self.page.call("Input.dispatchKeyEvent", type="keyDown", text=letter, key=letter)
            await self.page.call("Input.dispatchKeyEvent", type="keyUp", key=letter)

    async def point(self, x: float, y: float) -> None:
        await self.page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    async def size(self, width: int, height: int = 800) -> None:
        await self.page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    async def scheme(self, name: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": name}]
        await self.page.call("Emulation.setEmulatedMedia", features=features)

    async def wide(self) -> int:
        """How wide it is with all that is out of sight."""
        return int(await self.run(WIDE))

    async def audited(self, where: str) -> list[str]:
        """What axe finds that keeps people out."""
        if not await self.run("return 'axe' in globalThis"):
            await self.page.run((node_modules() / "axe-core/axe.min.js").read_text())
        return [f"{where}: {one}" for one in await self.run(AUDIT)]

    async def picture(self) -> bytes:
        """What is seen, as PNG."""
        shot = await self.page.call("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])


async def open_window(stack: AsyncExitStack, address: str, person: Client) -> Window:
    """Empty yet, before the server of that person; `address`: of the browser."""
    port = urlsplit(person.base_url).port or 0
    between, base = await stack.enter_async_context(network(port))
    opened = await stack.enter_async_context(browser(address))
    page = await opened.open("about:blank", policed=True, first=FIRST)
    await page.call("Emulation.setFocusEmulationEnabled", enabled=True)  # as if looked at
    return Window(person, page, between, base)
