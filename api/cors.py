"""Which pages of other origins may call, as ALLOWED_ORIGINS says (Fetch Standard, 3.2).

Tokens are in headers, so no page is let send cookies, and a page can do no more than its token can.
"""

from collections.abc import Collection, Mapping

from litestar.types import HTTPScope, Receive, Scope, Send

from api.edge import Headers, header

ORIGIN, ASKED = b"origin", b"access-control-request-method"
METHODS = b"DELETE, GET, HEAD, PATCH, POST, PUT"
TAKEN = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Last-Event-ID",
    "Lock-Token",
    "Range",
    "traceparent",
    "Tus-Resumable",
    "Upload-Checksum",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "X-HTTP-Method-Override",
    "X-Request-ID",
)
SHOWN = (
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Location",
    "Retry-After",
    "Tus-Checksum-Algorithm",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "WWW-Authenticate",
    "X-File-Id",
    "X-Position",
    "X-Request-ID",
    "X-Rows",
    "X-Truncated",
)
VARY = (b"vary", b"Origin")  # an answer that is kept for one page is none for another
EXPOSED = (b"access-control-expose-headers", ", ".join(SHOWN).encode())
PREFLIGHT: Headers = (
    (b"access-control-allow-methods", METHODS),
    (b"access-control-allow-headers", ", ".join(TAKEN).encode()),
    (b"access-control-max-age", b"3600"),
)


class Cors:
    """Headers for answers to pages; none of these origins is told anything else."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed: Mapping[str, Headers] = {
            one: (VARY, (b"access-control-allow-origin", one.encode()), EXPOSED) for one in allowed
        }

    def headers(self, scope: Scope) -> Headers:
        """For the answer to this request."""
        return self._allowed.get(header(scope, ORIGIN), (VARY,))

    def is_preflight(self, scope: HTTPScope) -> bool:
        """Whether a browser asks for a page that is allowed. What others ask, a route answers."""
        return (
            scope["method"] == "OPTIONS"
            and header(scope, ORIGIN) in self._allowed
            and header(scope, ASKED) != ""
        )


async def preflight(_scope: Scope, _receive: Receive, send: Send) -> None:
    """The same for every route: what it refuses, it refuses by itself."""
    await send({"type": "http.response.start", "status": 204, "headers": PREFLIGHT})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
