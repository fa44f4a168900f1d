"""What every exchange carries: a request id, headers that keep browsers honest, an access line."""

import time
from http import HTTPStatus
from typing import cast
from uuid import UUID

import structlog
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from infra.runtime import Runtime
from infra.tracing import Kind, Trace, begun, span

HEADER, TRACEPARENT = b"x-request-id", b"traceparent"

log = structlog.get_logger()


def request_id(scope: Scope) -> UUID:
    """The caller's X-Request-ID where it is a UUID, else its trace's id; one for a request."""
    state = scope["state"]
    if "request_id" not in state:
        state["request_id"] = _given_id(scope) or trace_of(scope).id
    return state["request_id"]


def trace_of(scope: Scope) -> Trace:
    """The caller's (`traceparent`), else one with the request's id."""
    state = scope["state"]
    if "trace" not in state:
        parent = next((value for name, value in scope["headers"] if name == TRACEPARENT), b"")
        state["trace"] = begun(parent.decode("latin-1"), _given_id(scope))
    return state["trace"]


def _given_id(scope: Scope) -> UUID | None:
    given = next((value for name, value in scope["headers"] if name == HEADER), b"")
    return _uuid(given) if given else None


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
    headers = MutableScopeHeaders.from_message(message)
    headers["X-Request-ID"] = str(request_id(scope))
    headers["X-Content-Type-Options"] = "nosniff"
    if "Cache-Control" not in headers:
        headers["Cache-Control"] = "no-store"


class AccessLog(ASGIMiddleware):
    """One debug line a request: never a body, a token or a query."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        started = time.perf_counter()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        request = cast(HTTPScope, scope)  # see `scopes`
        method = request["method"]
        with (
            structlog.contextvars.bound_contextvars(request_id=str(request_id(scope))),
            span(method, trace_of(scope), Kind.SERVER) as open_,
        ):
            await next_app(scope, receive, noting)
            if open_.trace.sampled:
                _tell(open_, request, status)
            log.debug(
                "request",
                method=method,
                path=scope["path"],
                status=status,
                ms=round((time.perf_counter() - started) * 1_000, 2),
            )


def _tell(open_: span, request: HTTPScope, status: int) -> None:
    """The route's template, never the path: that has people's ids in it."""
    method, route = request["method"], request["path_template"]
    open_.name = f"{method} {route}"
    open_.attributes = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
    }
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        open_.error = str(status)
