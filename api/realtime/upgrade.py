"""Who may open a WebSocket at all: pages of one's own, and not more than so many an address.

A browser names the page that asks (RFC 6455, 10.2); who names none is not a browser.
"""

from collections.abc import Collection, Mapping
from http import HTTPStatus

import msgspec
from litestar.types import Send, WebSocketResponseBodyEvent, WebSocketResponseStartEvent

RETRY_S = 5  # after which a refused address may find a place


class Problem(msgspec.Struct, frozen=True):
    """As REST's problem documents, of a request that has no id."""

    type: str
    title: str
    status: int
    code: str


def same_origin(headers: Mapping[bytes, bytes], allowed: Collection[str]) -> bool:
    """Whether the page is of an allowed origin; where none is named, of the host it asks."""
    origin = headers.get(b"origin", b"").decode("latin-1").lower()
    if not origin:
        return True
    if allowed:
        return origin in allowed
    host = headers.get(b"host", b"").decode("latin-1").lower()
    return origin in (f"http://{host}", f"https://{host}")


def origins(setting: str) -> frozenset[str]:
    """From a list by commas."""
    return frozenset(one.strip().rstrip("/").lower() for one in setting.split(",") if one.strip())


async def reject(send: Send, status: HTTPStatus, code: str, retry_s: int | None = None) -> None:
    """Answer the upgrade with a problem document instead."""
    problem = Problem(f"urn:formula:problem:{code}", status.phrase, int(status), code)
    headers = [(b"content-type", b"application/problem+json")]
    if retry_s is not None:
        headers.append((b"retry-after", str(retry_s).encode()))
    start: WebSocketResponseStartEvent = {
        "type": "websocket.http.response.start",
        "status": int(status),
        "headers": headers,
    }
    body: WebSocketResponseBodyEvent = {
        "type": "websocket.http.response.body",
        "body": msgspec.json.encode(problem),
        "more_body": False,
    }
    await send(start)
    await send(body)
