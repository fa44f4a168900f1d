"""Answers of the API: Litestar's response, sent with less ado where it is plain JSON."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec
from litestar import Request, Response
from litestar.types import Receive, Scope, Send

T = TypeVar("T")

JSON = "application/json"
BODILESS = (204, 304)
SPECIAL = ("background", "cookies", "is_head_response")  # which Litestar sees to


class Answer(Response[T]):
    """What is given as bytes is encoded already."""

    def __init__(
        self,
        content: T,
        *,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
        media_type: Any = None,
        background: Any = None,
        type_encoders: Any = None,
    ) -> None:
        """As Litestar's, which goes through all that there might be."""
        self.content = content
        self.status_code, self.media_type, self.encoding = status_code, media_type, "utf-8"
        self.headers: dict[str, Any] = dict(headers) if headers else {}
        self.background, self.cookies = background, []
        self.response_type_encoders: dict[Any, Any] = type_encoders or {}

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **given: Any) -> Any:
        status: int = self.status_code or given.get("status_code") or 200
        kind = self.media_type or given.get("media_type") or JSON
        special = self.cookies or self.background or any(given.get(name) for name in SPECIAL)
        if special or kind != JSON or status in BODILESS:
            return cast(Any, super()).to_asgi_response(app, request, **given)
        content: Any = self.content
        body = content if isinstance(content, bytes) else msgspec.json.encode(content)
        shared: dict[str, str] | None = given.get("headers")
        return Plain(status, {**shared, **self.headers} if shared else self.headers, body)


class Plain:
    """JSON that is at hand whole."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._status, self._body = status, body
        self._headers = [
            (name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()
        ]
        self._headers.append((b"content-type", JSON.encode()))
        self._headers.append((b"content-length", b"%d" % len(body)))

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self._status, "headers": self._headers}
        await send(cast(Any, start))
        await send({"type": "http.response.body", "body": self._body, "more_body": False})
