"""Every way a request can fail, as application/problem+json (RFC 9457), and its status."""

from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

import msgspec
import psycopg
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from api.call import Malformed
from api.edge import request_id
from api.limiting import RateLimited
from api.ranges import Changed, OutOfRange
from api.tokens import NotAuthenticated
from api.tus_protocol import UnknownProtocol, WrongChecksum
from domain.errors import Invalid, Locked, NotAllowed, NotFound, Refused, WrongState
from infra.blobs.model import Damaged, Full, Unavailable
from infra.eventstore.codec import TooLarge
from infra.eventstore.execute import CommandReused, WrongVersion
from infra.eventstore.types import Conflict, StoreOverloaded
from infra.receiving import FileTooLarge
from projections.read import BehindPosition, Rebuilding

STATUS: Mapping[type, int] = {
    Malformed: 400,
    UnicodeDecodeError: 400,  # a body that is not UTF-8,
    RecursionError: 400,  # or that is nested without end
    NotAuthenticated: 401,
    NotAllowed: 403,
    NotFound: 404,
    WrongState: 409,
    Conflict: 409,
    WrongVersion: 412,
    UnknownProtocol: 412,
    Changed: 412,
    TooLarge: 413,
    FileTooLarge: 413,
    OutOfRange: 416,
    Invalid: 422,
    CommandReused: 422,
    Locked: 423,
    RateLimited: 429,
    WrongChecksum: 460,
    StoreOverloaded: 503,
    BehindPosition: 503,
    Unavailable: 503,
    psycopg.OperationalError: 503,
    psycopg.errors.UndefinedTable: 503,  # no projector has run yet
    psycopg.DataError: 422,  # a filter that Postgres cannot hold: a NUL, a number too large
    Full: 507,
    Damaged: 500,
    Exception: 500,
}

CODES: Mapping[type, str] = {
    UnicodeDecodeError: "request.malformed",
    RecursionError: "request.malformed",
    Conflict: "version.conflict",
    TooLarge: "body.too_large",
    StoreOverloaded: "store.overloaded",
    BehindPosition: "position.not_reached",
    Rebuilding: "projection.rebuilding",
    Unavailable: "file.unavailable",
    Full: "storage.full",
    Damaged: "file.damaged",
    psycopg.OperationalError: "store.unavailable",
    psycopg.errors.UndefinedTable: "store.not_ready",
    psycopg.DataError: "request.invalid",
    Exception: "server.failed",
}

# What the framework itself refuses; a request that was read but has wrong values is a 422.
FRAMEWORK: Mapping[int, str] = {
    400: "request.malformed",
    404: "route.unknown",
    405: "method.not_allowed",
    413: "body.too_large",
    415: "body.unsupported_type",
}

TITLES: Mapping[int, str] = {
    **{one.value: one.phrase for one in HTTPStatus},
    460: "Checksum Mismatch",  # tus's own
}

CUT_OFF = "client disconnected prematurely"  # Litestar's words: there is no class for it
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1.0

log = structlog.get_logger()


class Problem(msgspec.Struct, frozen=True):
    """The shape of every refusal; the fields of a code's own come beside these."""

    type: str  # urn:formula:problem:<code>
    title: str
    status: int
    code: str  # stable, for programs
    instance: str  # urn:uuid:<request id>, also in X-Request-ID


def refused(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    status = _closest(STATUS, error)
    headers: dict[str, str] = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="formula"'
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        wait_s: float = getattr(error, "retry_after_s", RETRY_AFTER_S)
        headers["Retry-After"] = str(max(1, ceil(wait_s)))
    if isinstance(error, OutOfRange):
        headers["Content-Range"] = f"bytes */{error.bytes}"
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request_failed", path=request.url.path, exc_info=error)
    if isinstance(error, Refused):
        return problem(request, status, error.code, error.detail, headers)
    return problem(request, status, _closest(CODES, error), {}, headers)


def rejected(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """What Litestar refused before a handler ran."""
    if isinstance(error, ValidationException):
        return problem(request, 422, "request.invalid", {"errors": error.extra or []})
    if error.detail == CUT_OFF:
        return problem(request, 400, "request.cut_off", {})
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return refused(request, error)
    code = FRAMEWORK.get(error.status_code, "request.refused")
    headers = {name.title(): value for name, value in (error.headers or {}).items()}
    return problem(request, error.status_code, code, {}, headers)


def problem(
    request: Request[Any, Any, Any],
    status: int,
    code: str,
    detail: Mapping[str, object],
    headers: Mapping[str, str] | None = None,
) -> Response[Any]:
    body = Problem(
        type=f"urn:formula:problem:{code}",
        title=TITLES[status],
        status=status,
        code=code,
        instance=request_id(request.scope).urn,
    )
    return Response(
        _beside(msgspec.structs.asdict(body), detail),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def _beside(body: dict[str, object], detail: Mapping[str, object]) -> dict[str, object]:
    """A detail whose name RFC 9457 has taken gets an underscore."""
    named = {f"{name}_" if name in body or name == "detail" else name: value
             for name, value in detail.items()}  # fmt: skip
    return body | named


def _closest(table: Mapping[type, Any], error: Exception) -> Any:
    """The entry of the error's class, or of the nearest one above it."""
    return next(table[kind] for kind in type(error).__mro__ if kind in table)
