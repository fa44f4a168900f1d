"""Answers are what Litestar's own would be."""

from typing import Any

import msgspec
import pytest
from litestar import Litestar, Response, get, head, post
from litestar.di import NamedDependency, Provide
from litestar.testing import TestClient

from api.answer import Answer


class Row(msgspec.Struct, frozen=True):
    name: str = "Jürgen"
    count: int = 3


@get("/row")
async def row() -> Row:
    return Row()


@get("/text")
async def text() -> str:
    return "plain"


@get("/nothing", status_code=204)
async def nothing() -> None:
    return None


@post("/made")
async def made(kind: NamedDependency[type[Response[Any]]]) -> Response[Row]:
    return kind(Row(), status_code=202, headers={"ETag": '"7"', "X-Position": "9"})


@get("/bytes")
async def encoded(kind: NamedDependency[type[Response[Any]]]) -> Response[bytes]:
    return kind(b'{"a":1}', media_type="application/json")


@get("/html")
async def html(kind: NamedDependency[type[Response[Any]]]) -> Response[str]:
    return kind("<p>", media_type="text/html")


@head("/row-head")
async def row_head() -> None:
    return None


ROUTES = [row, text, nothing, made, encoded, html, row_head]
ASKED = [
    ("GET", "/row"), ("GET", "/text"), ("GET", "/nothing"), ("POST", "/made"), ("GET", "/bytes"),
    ("GET", "/html"), ("HEAD", "/row-head"),
]  # fmt: skip


@pytest.fixture
def clients() -> Any:
    def client(kind: type[Response[Any]]) -> TestClient[Litestar]:
        def given() -> type[Response[Any]]:
            return kind

        app = Litestar(
            ROUTES,
            response_class=kind,
            dependencies={"kind": Provide(given, sync_to_thread=False)},
            openapi_config=None,
            logging_config=None,
        )
        return TestClient(app)

    with client(Answer) as ours, client(Response) as theirs:
        yield ours, theirs


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_status_headers_and_body_are_litestars(clients: Any, method: str, path: str) -> None:
    ours, theirs = (one.request(method, path) for one in clients)
    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content)
    assert dict(ours.headers) == dict(theirs.headers)
