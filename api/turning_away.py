"""What is said to who is turned away when too much is asked at once; no application is asked."""

import msgspec

from api.errors import MEDIA_TYPE, TITLES, Problem
from infra.admission import RETRY_AFTER_S
from infra.tracing import begun

MOST_BODY = 64 * 1024  # bytes that are passed over to keep a connection
BUSY = 503


def busy(*, keep_alive: bool) -> bytes:
    """The whole answer."""
    return (KEEPS if keep_alive else CLOSES) % ((str(begun().id).encode(),) * 2)


def _answer(connection: str) -> bytes:
    """With a place for the request's id in the head, and in the body."""
    code, id_ = "server.busy", "%b"
    body = msgspec.json.encode(
        Problem(f"urn:formula:problem:{code}", TITLES[BUSY], BUSY, code, f"urn:uuid:{id_}")
    )
    length = len(body) - len(id_) + ID_LENGTH
    lines = (
        f"HTTP/1.1 {BUSY} {TITLES[BUSY]}",
        f"content-type: {MEDIA_TYPE}",
        f"content-length: {length}",
        f"retry-after: {RETRY_AFTER_S}",
        "cache-control: no-store",
        f"connection: {connection}",
        f"x-request-id: {id_}",
    )
    return "\r\n".join((*lines, "", "")).encode() + body


ID_LENGTH = 36
KEEPS, CLOSES = _answer("keep-alive"), _answer("close")
