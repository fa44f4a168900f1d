"""One request and its answer: JSON both ways, a problem document becomes Refused."""

from collections.abc import Mapping
from typing import Any, cast

import httpx
import msgspec

from api.client.errors import NotConnected, Refused

PROBLEM = ("type", "title", "status", "code", "instance")  # RFC 9457: the rest is the code's own


class Request(msgspec.Struct, frozen=True):
    method: str
    path: str
    body: object = None
    headers: Mapping[str, str] = {}
    params: Mapping[str, str] = {}


class Answer(msgspec.Struct, frozen=True):
    """What came back; `version` and `position` are those of the ETag and X-Position headers."""

    status: int
    body: Any  # decoded JSON, None where there is none
    version: int | None = None
    position: int | None = None
    repeated: bool = False  # the answer of an earlier request with the same key


async def send(http: httpx.AsyncClient, asked: Request, token: str = "") -> Answer:
    """Raises Refused for a problem document and NotConnected where there is no answer."""
    headers = {**asked.headers, "Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        response = await http.request(
            asked.method,
            asked.path,
            params=asked.params,
            headers=headers,
            content=b"" if asked.body is None else msgspec.json.encode(asked.body),
        )
    except httpx.TransportError as error:
        raise NotConnected(f"{http.base_url} does not answer ({type(error).__name__})") from error
    if response.is_error:
        raise _refused(response)
    return Answer(
        status=response.status_code,
        body=_json(response),
        version=_number(response.headers.get("ETag", "").strip('"')),
        position=_number(response.headers.get("X-Position", "")),
        repeated=response.headers.get("Idempotent-Replayed") == "true",
    )


def _refused(response: httpx.Response) -> Refused:
    body = _json(response)
    problem = cast(dict[str, Any], body) if isinstance(body, dict) else {}
    return Refused(
        str(problem.get("code", f"http.{response.status_code}")),
        {name: value for name, value in problem.items() if name not in PROBLEM},
        status=response.status_code,
        retry_after=_number(response.headers.get("Retry-After", "")),
    )


def _json(response: httpx.Response) -> Any:
    try:
        return msgspec.json.decode(response.content) if response.content else None
    except msgspec.DecodeError:
        return None


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
