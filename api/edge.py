"""What every exchange carries: a request id, headers that keep browsers honest, an access line."""

import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import structlog
from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from api.counting import STARTED, responded
from infra.runtime import Runtime

HEADER = b"x-request-id"
NO_SNIFF = (b"x-content-type-options", b"nosniff")
NO_STORE = (b"cache-control", b"no-store")

log = structlog.get_logger()


def request_id(scope: Scope) -> UUID:
    """The caller's X-Request-ID where it is a UUID, else a new one; one for a request."""
    return UUID(request_name(scope))


def request_name(scope: Scope) -> str:
    """The request's id as text."""
    state = scope["state"]
    found = state.get("request_id")
    if found is None:
        given = header(scope, HEADER)
        name = (given and _uuid(given)) or runtime_of(scope).new_name()
        found = state["request_id"] = name
    return found


def runtime_of(scope: Scope) -> Runtime:
    return scope["litestar_app"].state["runtime"]


def header(scope: Scope, name: bytes) -> str:
    """What a request has by this name, in small letters, or ""."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return ""


def _uuid(text: str) -> str:
    """As it is written, or "" for what is none."""
    try:
        return str(UUID(text))
    except ValueError:
        return ""


class App(Litestar):
    """The application, and what is done at its edge for every request."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != ScopeType.HTTP:
            await super().__call__(scope, receive, send)
            return
        scope["litestar_app"] = self
        scope.setdefault("state", {})
        await handle(scope, receive, send, super().__call__)


async def handle(scope: HTTPScope, receive: Receive, send: Send, app: ASGIApp) -> None:
    """Headers for every answer, and one debug line: never a body, a token or a query."""
    started = scope["state"][STARTED] = time.perf_counter()
    status = 0
    identity = request_name(scope)

    async def noting(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            responded(scope, status)
            message["headers"] = _with_ours(message["headers"], identity)
        await send(message)

    bound = bind_contextvars(request_id=identity)
    try:
        await app(scope, receive, noting)
    finally:
        log.debug(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            ms=round((time.perf_counter() - started) * 1_000, 2),
        )
        reset_contextvars(**bound)


def _with_ours(headers: Iterable[tuple[bytes, bytes]], identity: str) -> list[tuple[bytes, bytes]]:
    ours = [*headers, NO_SNIFF, (HEADER, identity.encode())]
    for name, _ in ours:
        if name == NO_STORE[0]:
            return ours
    ours.append(NO_STORE)
    return ours
