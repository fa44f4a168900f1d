"""What every exchange carries: a request id, headers that keep browsers honest, an access line."""

import time
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TypeAlias, cast
from uuid import UUID

import structlog
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from api.counting import STARTED, UNKNOWN, responded
from infra.admission import leave
from infra.runtime import Runtime
from infra.tracing import Kind, Trace, begun, span

HEADER, TRACEPARENT = b"x-request-id", b"traceparent"

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

ALWAYS: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),  # addresses have people's ids in them, links are a right
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000")  # of this host, for a year
# An answer may have its own: pages have styles, files are shown elsewhere, some things are kept.
YIELDING = frozenset(name for name, _ in ALWAYS[3:])

log = structlog.get_logger()


def request_id(scope: Scope) -> UUID:
    """The caller's X-Request-ID where it is a UUID, else its trace's id; one for a request."""
    return UUID(request_name(scope))


def request_name(scope: Scope) -> str:
    """The request's id as text."""
    state = scope["state"]
    found = state.get("request_id")
    if found is None:
        found = state["request_id"] = _given_id(scope) or str(trace_of(scope).id)
    return found


def trace_of(scope: Scope) -> Trace:
    """The caller's (`traceparent`), else one with the request's id."""
    state = scope["state"]
    if "trace" not in state:
        given = _given_id(scope)
        state["trace"] = begun(header(scope, TRACEPARENT), UUID(given) if given else None)
    return state["trace"]


def _given_id(scope: Scope) -> str:
    given = header(scope, HEADER)
    return _uuid(given) if given else ""


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


async def handle(
    scope: HTTPScope, receive: Receive, send: Send, app: ASGIApp, always: Headers
) -> None:
    """Headers for every answer, and one debug line: never a body, a token or a query."""
    started = scope["state"][STARTED] = time.perf_counter()
    status = 0
    identity = request_name(scope)

    async def noting(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            leave()
            responded(scope, status)
            message["headers"] = _with_ours(message["headers"], always, identity)
        await send(message)

    bound = bind_contextvars(request_id=identity)
    try:
        with span(scope["method"], trace_of(scope), Kind.SERVER) as open_:
            await app(scope, receive, noting)
            if open_.trace.sampled:
                _tell(open_, scope, status)
            log.debug(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round((time.perf_counter() - started) * 1_000, 2),
            )
    finally:
        reset_contextvars(**bound)


def _tell(open_: span, request: HTTPScope, status: int) -> None:
    """The route's template, never the path: that has people's ids in it."""
    method, route = (
        request["method"],
        cast("Mapping[str, str]", request).get("path_template", UNKNOWN[0]),
    )
    open_.name = f"{method} {route}"
    open_.attributes = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
    }
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        open_.error = str(status)


def _with_ours(
    headers: Iterable[tuple[bytes, bytes]], always: Headers, identity: str
) -> list[tuple[bytes, bytes]]:
    for name, _ in headers:
        if name in YIELDING:
            said = YIELDING & {one for one, _ in headers}
            always = tuple(one for one in always if one[0] not in said)
            break
    return [*headers, *always, (HEADER, identity.encode())]
