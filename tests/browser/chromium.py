"""The client in a real Chromium, driven by its DevTools protocol."""

import asyncio
import re
import subprocess
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Thread

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.browser.page import WAIT_S, Json, ScriptFailed
from tests.debian import program

INSTALLED_S = 300.0
ENDED_S = 5.0
FLAGS = (
    "--headless",
    "--no-sandbox",  # it refuses to run as root with one
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-renderer-backgrounding",  # both of two pages are looked at
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
    "--remote-debugging-port=0",
)


@contextmanager
def chromium(profile: Path) -> Generator[str]:
    """The address of a running browser's DevTools. Skipped where it cannot be had."""
    path = program("chromium", INSTALLED_S)
    if path is None:
        pytest.skip("Chromium is missing and cannot be installed: apt-get install chromium")
    command = [path, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            address = next(filter(None, map(_address, process.stderr)), None)
            assert address, "Chromium ended without saying where it listens"
            Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
            yield address
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDED_S)
            process.kill()


def _address(line: str) -> str | None:
    found = re.search(r"DevTools listening on (ws://\S+)", line)
    return found[1] if found else None


class Browser:
    """One connection to the browser; each test has windows of its own in it."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._loaded: dict[str, asyncio.Event] = {}  # by session
        self._errors: dict[str, list[str]] = {}  # the same

    async def call(self, method: str, session: str | None = None, **params: object) -> Json:
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        asked = {"id": number, "method": method, "params": params}
        if session is not None:
            asked["sessionId"] = session
        await self._connection.send(msgspec.json.encode(asked), text=True)
        async with asyncio.timeout(2 * WAIT_S):
            return await answer

    async def open(self, url: str, *, policed: bool = False, first: str = "") -> "ChromiumPage":
        """A window with storage of its own, loaded.

        `policed`: under its own policy, as for people. `first`: run before each of its documents.
        """
        context = (await self.call("Target.createBrowserContext", disposeOnDetach=True))[
            "browserContextId"
        ]
        target = await self.call(
            "Target.createTarget", url="about:blank", browserContextId=context, newWindow=True
        )
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        errors = self._errors[attached["sessionId"]] = []
        page = ChromiumPage(self, attached["sessionId"], errors)
        self._loaded[page.session] = asyncio.Event()
        await self.call("Page.enable", page.session)
        # Any answer serves as a page here, and what is no page may load nothing.
        await self.call("Page.setBypassCSP", page.session, enabled=not policed)
        if policed:
            await self.call("Runtime.enable", page.session)
            await self.call("Page.addScriptToEvaluateOnNewDocument", page.session, source=first)
        await page.go("Page.navigate", url=url)
        return page

    async def loads(self, method: str, session: str, **params: object) -> None:
        """A call that leads to another document, until that is loaded."""
        loaded = self._loaded[session]
        loaded.clear()
        await self.call(method, session, **params)
        async with asyncio.timeout(WAIT_S):
            await loaded.wait()

    async def listen(self) -> None:
        with suppress(ConnectionClosed):
            async for message in self._connection:
                self._heard(msgspec.json.decode(message))

    def _heard(self, message: Mapping[str, Json]) -> None:
        waiting = self._waiting.pop(message.get("id", 0), None)
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded[message["sessionId"]].set()
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                if error := _error(message["params"]):
                    self._errors[message["sessionId"]].append(error)
            case _:
                pass
        if waiting is None or waiting.done():
            return
        if "error" in message:
            waiting.set_exception(ScriptFailed(message["error"]["message"]))
        else:
            waiting.set_result(message["result"])


def _error(said: Mapping[str, Json]) -> str | None:
    """What was thrown, or written to the console as an error."""
    if "exceptionDetails" in said:
        return str(said["exceptionDetails"].get("exception", said).get("description", said))
    return str(said["args"]) if said["type"] == "error" else None


class ChromiumPage:
    """`errors`: that nobody caught; of a page that is policed."""

    def __init__(self, browser: Browser, session: str, errors: list[str]) -> None:
        self._browser, self.session, self.errors = browser, session, errors

    async def call(self, method: str, **params: object) -> Json:
        return await self._browser.call(method, self.session, **params)

    async def go(self, method: str, **params: object) -> None:
        """To another document, or to the same anew; once it is loaded."""
        await self._browser.loads(method, self.session, **params)

    async def run(self, script: str) -> Json:
        answer = await self.call(
            "Runtime.evaluate",
            expression=f"(async () => {{{script}}})()",
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in answer:
            thrown = answer["exceptionDetails"]["exception"]
            raise ScriptFailed(thrown.get("description") or thrown.get("value"))
        return answer["result"].get("value")


@asynccontextmanager
async def browser(address: str) -> AsyncGenerator[Browser]:
    async with connect(address, max_size=None, ping_interval=None, proxy=None) as connection:
        opened = Browser(connection)
        listening = asyncio.create_task(opened.listen())
        try:
            yield opened
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
