"""What every exchange carries: a request id, headers that keep browsers honest, an access line."""

import time
from typing import cast
from uuid import UUID

import structlog
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from api.counting import STARTED, responded
from infra.runtime import Runtime

HEADER = b"x-request-id"

log = structlog.get_logger()


def request_id(scope: Scope) -> UUID:
    """The caller's X-Request-ID where it is a UUID, else a new one; one for a request."""
    state = scope["state"]
    if "request_id" not in state:
        given = next((value for name, value in scope["headers"] if name == HEADER), b"")
        state["request_id"] = _uuid(given) or runtime_of(scope).new_id()
    return state["request_id"]


def runtime_of(scope: Scope) -> Runtime:
    return scope["litestar_app"].state.runtime


def _uuid(text: bytes) -> UUID | None:
    try:
        return UUID(text.decode("ascii"))
    except ValueError:
        return None


async def add_headers(message: Message, scope: Scope) -> None:
    """Runs before anything is sent, for refusals and unknown routes as well."""
    if message["type"] != "http.response.start":
        return
    responded(scope, message["status"])
    headers = MutableScopeHeaders.from_message(message)
    headers["X-Request-ID"] = str(request_id(scope))
    headers["X-Content-Type-Options"] = "nosniff"
    if "Cache-Control" not in headers:
        headers["Cache-Control"] = "no-store"


class AccessLog(ASGIMiddleware):
    """One debug line a request: never a body, a token or a query."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        started = scope["state"][STARTED] = time.perf_counter()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=str(request_id(scope))):
            await next_app(scope, receive, noting)
            log.debug(
                "request",
                method=cast(HTTPScope, scope)["method"],  # see `scopes`
                path=scope["path"],
                status=status,
                ms=round((time.perf_counter() - started) * 1_000, 2),
            )
