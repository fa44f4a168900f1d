"""People in browsers, and one who uses Python, before the API of production."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from api.client.client import Client
from api.console_files import FOLDER, read_console
from api.tokens import claims, sign
from infra.runtime import Runtime
from tests.api.served import PASSWORD, Served, served
from tests.browser.chromium import browser, chromium
from tests.browser.console import Window, open_window
from tests.browser.network import Network, network
from tests.browser.node import node_page
from tests.browser.page import Json, Page, call, wait_for

MODULES = Path(__file__).parents[2] / "api/client/browser"
SIGN_IN = """
const login = async () => {
    const answer = await fetch(`${base}/api/v1/auth/login`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ email, password }),
    });
    return (await answer.json()).access_token;
};
globalThis.next = undefined; // the token that a test gives it, until it is not taken
globalThis.token = async (stale) => {
    if (stale && stale === next) next = undefined;
    if (next !== undefined) return next;
    if (stale === current) current = await login();
    return current;
};
const { connect } = await import(modules);
globalThis.states = [];
globalThis.formula = connect({ url, token, device });
formula.on("state", ({ state }) => states.at(-1) === state || states.push(state));
"""
JOIN = """
globalThis.room = await formula.join(name);
globalThis.events = [];
globalThis.joins = [];
globalThis.paths = []; // where the others' cursors were, screen frame by screen frame
room.on("event", (event) => events.push(event));
room.on("joined", ({ mode }) => joins.push(mode));
room.on("cursors", (cursors) => paths.push(...cursors.map(({ at }) => at)));
"""


class Visitor:
    """Somebody in a page, signed in and connected through a network that can be cut."""

    def __init__(self, person: Client, page: Page, between: Network) -> None:
        self.person, self.page, self.network = person, page, between
        self.id = str(person.me.id)

    async def run(self, script: str, **given: object) -> Json:
        return await call(self.page, script, **given)

    async def sees(self, condition: str, **given: object) -> Json:
        return await wait_for(self.page, condition, **given)

    async def join(self, room: str) -> None:
        await self.run(JOIN, name=room)

    async def notes(self, count: int) -> Json:
        """The data of the activities that came, once there are so many."""
        found = 'events.filter(({ type }) => type === "activity.recorded")'
        await self.sees(f"{found}.length >= count", count=count)
        return await self.run(f"return {found}.map(({{ data }}) => data.data)")


class Stage:
    """The server, and visitors in pages of one kind."""

    def __init__(self, server: Served, kind: str, address: str, stack: AsyncExitStack) -> None:
        self.server, self._kind, self._address, self._stack = server, kind, address, stack

    def token(self, person: Client, ttl_s: int = 900) -> str:
        me, runtime = person.me, self.server.runtime
        content = claims(me.id, me.role, uuid4(), uuid4(), runtime.now(), ttl_s)
        return sign(content, runtime.keys)

    async def page(self, url: str) -> Page:
        if self._kind == "node":
            return await self._stack.enter_async_context(node_page())
        return await (await self._stack.enter_async_context(browser(self._address))).open(url)

    async def visitor(self, name: str) -> Visitor:
        person = await self.server.person(name)
        port = urlsplit(self.server.url).port or 0
        between, base = await self._stack.enter_async_context(network(port))
        visitor = Visitor(person, await self.page(f"{base}/livez"), between)
        in_node = self._kind == "node"
        modules = f"file://{MODULES}/formula.js" if in_node else f"{base}/client/formula.js"
        given = {"base": base, "modules": modules, "device": name, "email": person.me.email}
        url = f"url = '{base.replace('http', 'ws')}/api/v1/realtime/ws'" if in_node else "url"
        script = f"let {url}; let current = signed; {SIGN_IN}"
        await visitor.run(script, signed=self.token(person), password=PASSWORD, **given)
        await visitor.sees('formula.state === "live"')
        return visitor


@pytest.fixture(scope="session")
def devtools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chromium(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture
async def stage(projected: Runtime, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """With pages in node, where most can be seen in less time; or of the kind asked for."""
    kind = str(getattr(request, "param", "node"))
    address = request.getfixturevalue("devtools") if kind == "chromium" else ""
    async with served(projected) as server, AsyncExitStack() as stack:
        yield Stage(server, kind, address, stack)


class Consoles:
    """The server, and windows with its console."""

    def __init__(self, server: Served, address: str, stack: AsyncExitStack) -> None:
        self.server, self._address, self._stack = server, address, stack
        self.windows: list[Window] = []

    async def window(self, person: Client, *, width: int = 1280) -> Window:
        """One that is signed in."""
        window = await self.closed(person, width=width)
        await window.login()
        return window

    async def closed(self, person: Client, *, width: int = 1280, path: str = "") -> Window:
        """One that shows the way in, or another page of the server's."""
        window = await open_window(self._stack, self._address, person)
        await window.size(width)
        await window.page.go("Page.navigate", url=window.base + path)
        self.windows.append(window)
        return window


@pytest.fixture
async def consoles(projected: Runtime, devtools: str) -> AsyncIterator[Consoles]:
    """At the end nothing must have failed in any window, nor been asked of anybody else."""
    if read_console(FOLDER) is None:
        pytest.skip("the console's libraries are not installed: make console")
    async with served(projected) as server, AsyncExitStack() as stack:
        all_ = Consoles(server, devtools, stack)
        yield all_
        for window in all_.windows:
            assert window.page.errors == []
            assert await window.run("return violations") == []
            asked = "return performance.getEntriesByType('resource').map(({ name }) => name)"
            assert [u for u in await window.run(asked) if not u.startswith(window.base)] == []
