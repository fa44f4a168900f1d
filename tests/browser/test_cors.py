"""What Chromium lets pages of other origins do with the API."""

import asyncio
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest
from msgspec.structs import replace

from infra.settings import Settings
from tests.browser.conftest import Stage
from tests.browser.page import Json, Page, call
from tests.integration.tus import said

pytestmark = [
    pytest.mark.services,
    pytest.mark.browser,
    pytest.mark.timeout(400),  # it may have to install a browser
    pytest.mark.xdist_group("browser"),
]

PAGE = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<title>app</title>"
ASK = """
const answers = {};
const ask = async (name, path, init = {}) => {
    try {
        const answer = await fetch(base + path, {
            ...init, headers: { authorization: `Bearer ${token}`, ...init.headers },
        });
        answers[name] = [answer.status, ...shown.filter((one) => answer.headers.has(one))];
    } catch (error) {
        answers[name] = error.name;
    }
};
await ask("read", "/api/v1/projects");
await ask("refused", "/api/v1/projects/x");
await ask("written", "/api/v1/users/" + user, {
    method: "PATCH",
    headers: { "content-type": "application/json", "if-match": '"1"' },
    body: '{"name": "Ann"}',
});
await ask("begun", "/api/v1/realtime/files/tus", {
    method: "POST",
    headers: { "tus-resumable": "1.0.0", "upload-length": "4", "upload-metadata": metadata },
});
try {
    const { connect } = await import(base + "/client/formula.js");
    const url = base.replace("http", "ws") + "/api/v1/realtime/ws";
    const formula = connect({ url, token: () => token });
    await new Promise((done) => formula.on("state", ({ state }) => state === "live" && done()));
    answers.live = formula.state;
    formula.close();
} catch (error) {
    answers.live = error.name;
}
return answers;
"""
SHOWN = ["x-request-id", "etag", "x-position", "location", "upload-offset", "x-secret"]


async def a_page(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(IncompleteReadError):
        # What is left unread at the end resets the connection, and with it the answer.
        await reader.readuntil(b"\r\n\r\n")
        writer.write(PAGE)
    writer.close()


@pytest.fixture
async def apps() -> AsyncIterator[list[str]]:
    """Two origins that are not the API's."""
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(await asyncio.start_server(a_page, "127.0.0.1"))
            for _ in range(2)
        ]
        yield [f"http://127.0.0.1:{one.sockets[0].getsockname()[1]}" for one in servers]


@pytest.fixture
def settings(settings: Settings, apps: list[str]) -> Settings:
    return replace(settings, allowed_origins=apps[0])


@pytest.mark.parametrize("stage", ["chromium"], indirect=True)
async def test_an_allowed_page_does_all_that_its_token_may_and_another_nothing(
    stage: Stage, apps: list[str]
) -> None:
    person = await stage.server.person("ann")
    project = (await stage.server.room(person)).removeprefix("project:")
    allowed, other = [await stage.page(app) for app in apps]

    async def ask(page: Page) -> Json:
        return await call(
            page,
            ASK,
            base=stage.server.url,
            token=stage.token(person),
            user=str(person.me.id),
            metadata=said(filename="a.txt", project=project),
            shown=SHOWN,
        )

    seen = await ask(allowed)
    assert seen == {
        "read": [200, "x-request-id"],
        "refused": [404, "x-request-id"],
        "written": [200, "x-request-id", "etag", "x-position"],
        "begun": [201, "x-request-id", "location", "upload-offset"],
        "live": "live",
    }
    assert await ask(other) == dict.fromkeys(seen, "TypeError")
