"""What is said to who is turned away when too much is asked at once; no application is asked."""

import msgspec

from api.errors import MEDIA_TYPE, TITLES, Problem
from infra.admission import RETRY_AFTER_S
from infra.tracing import begun

MOST_BODY = 64 * 1024  # bytes that are passed over to keep a connection
BUSY = 503


def busy(*, keep_alive: bool) -> bytes:
    """The whole answer."""
    id_ = begun().id
    code = "server.busy"
    body = msgspec.json.encode(
        Problem(f"urn:formula:problem:{code}", TITLES[BUSY], BUSY, code, id_.urn)
    )
    lines = (
        f"HTTP/1.1 {BUSY} {TITLES[BUSY]}",
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {len(body)}",
        f"retry-after: {RETRY_AFTER_S}",
        "cache-control: no-store",
        f"x-request-id: {id_}",
        f"connection: {'keep-alive' if keep_alive else 'close'}",
    )
    return "\r\n".join((*lines, "", "")).encode() + body
