"""What each door takes at most, and that no refusal tells how we are made."""

import asyncio
import re
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from api.entrance import MAX_URL
from api.http_protocol import MAX_HEAD
from infra.blobs.door import Blobs
from infra.links import Links
from tests.integration.conftest import Api, refusal
from tests.integration.sockets import Live

MIB = 1 << 20
JSON = "content-type: application/json"
WAIT_S = 15.0
# Of ours or of a library: a traceback, a statement, a path, a class.
TELLING = re.compile(
    rb"Traceback|line \d+|\.py|/home|/usr|/srv|/tmp|SELECT|INSERT|FROM|psycopg|[Ll]itestar|msgspec"
    rb"|redis|uvicorn|botocore|\b(api|infra|domain|projections)\.[a-z]|<class|object at 0x"
    rb"|\b[A-Z][a-z]+[A-Z]\w+|[a-z]Error\b|Exception|secret"
)
SECRET = 'SELECT secret FROM users; File "/srv/infra/db.py", line 7, in psycopg.Error'


def asked(method: str, target: str, *lines: str, body: bytes = b"") -> bytes:
    head = [f"{method} {target} HTTP/1.1", "host: x", "connection: close", *lines]
    if body:
        head.append(f"content-length: {len(body)}")
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def login(body: bytes) -> bytes:
    return asked("POST", "/api/v1/auth/login", JSON, body=body)


def address(size: int) -> bytes:
    """Path and query have so many."""
    return asked("GET", "/livez?".ljust(size + 1, "x"))


def headed(size: int) -> bytes:
    least = len(asked("GET", "/livez", "x-a: "))
    return asked("GET", "/livez", "x-a: " + "x" * (size - least))


def bodied(size: int) -> bytes:
    return login(b'{"email":"' + b"x" * (size - 12) + b'"}')


def nested(depth: int) -> bytes:
    return login(b'{"email":' + b"[" * depth + b"]" * depth + b"}")


# The largest that comes through to whoever reads it, and the least that does not.
LIMITS: dict[str, tuple[bytes, int, bytes, int]] = {
    "an address": (address(MAX_URL), 200, address(MAX_URL + 1), 414),
    "an address, and a half": (address(MAX_URL), 200, address(MAX_URL * 3 // 2), 414),
    "a head": (headed(MAX_HEAD), 200, headed(MAX_HEAD + 3)[:-2], 431),
    "a body": (bodied(MIB), 422, bodied(MIB + 1), 413),
    "nesting": (nested(100), 422, nested(10_000), 400),
}


async def status(live: Live, request: bytes) -> int:
    where = urlsplit(live.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    async with asyncio.timeout(WAIT_S):
        writer.write(request)
        answer = await reader.readline()
    writer.close()
    return int(answer.split()[1])


@pytest.mark.parametrize("door", LIMITS)
async def test_each_door_takes_so_much_and_no_more(door: str, live: Live) -> None:
    most, through, more, refused = LIMITS[door]
    assert await status(live, most) == through
    assert await status(live, more) == refused


BAD: dict[str, tuple[str, str, dict[str, Any]]] = {
    "no route": ("GET", "/api/v1/no/such.py", {}),
    "another method": ("DELETE", "/livez", {}),
    "no id": ("GET", "/api/v1/projects/x", {}),
    "no number": ("GET", "/api/v1/projects?limit=x&min_position=1.5", {}),
    "no JSON": ("POST", "/api/v1/projects", {"content": b"{", "json": None}),
    "no UTF-8": ("POST", "/api/v1/projects", {"content": b'{"name":"\xff"}', "json": None}),
    "no object": ("POST", "/api/v1/projects", {"json": [1]}),
    "no name": ("POST", "/api/v1/projects", {"json": {}}),
    "another field": ("POST", "/api/v1/projects", {"json": {"name": "P", "x": 1}}),
    "another type": ("POST", "/api/v1/projects", {"json": {"name": {"a": 1}}}),
    "NUL": ("GET", "/api/v1/projects?client=%00", {}),
    "a form": ("POST", "/api/v1/projects", {"data": {"name": "P"}}),
    "no kind of job": ("POST", "/api/v1/realtime/jobs", {"json": {"args": {"type": "x"}}}),
    "no project": ("GET", "/api/v1/projects/00000000-0000-0000-0000-000000000001", {}),
    "no such header": ("POST", "/api/v1/projects", {"headers": {"If-Match": "W/x"}}),
    "too long": ("GET", "/api/v1/projects?" + "x" * MAX_URL, {}),
    "a cursor": ("GET", "/api/v1/projects?cursor=AAAA", {}),
    "no upload": ("POST", "/api/v1/realtime/files/upload?name=a.txt", {"content": b"x"}),
    "no part": ("POST", "/api/v1/realtime/files/upload", {"files": {"x": b"y"}}),
    "a forged link": ("GET", "/api/v1/files/k/content?expires=1&kid=x&signature=x", {}),
    "a bad query": ("POST", "/api/v1/analytics/query", {"json": {"sql": "SELEC"}}),
}


@pytest.mark.parametrize("what", BAD)
async def test_no_refusal_tells_how_we_are_made(what: str, api: Api) -> None:
    person = await api.as_("admin")
    method, path, given = BAD[what]
    headers = {"Authorization": f"Bearer {person.token}", **given.pop("headers", {})}
    silent(await api.client.request(method, path, headers=headers, **given))


def silent(answer: httpx.Response) -> None:
    assert answer.status_code >= 400, answer.text
    assert refusal(answer)
    told = TELLING.search(answer.content)
    assert not told, (told, answer.text)
    for name, value in answer.headers.items():
        assert not TELLING.search(value.encode()) or name == "x-request-id", (name, value)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError(SECRET), 500),
        (KeyError(SECRET), 500),
        (psycopg.ProgrammingError(SECRET), 500),
        (psycopg.OperationalError(SECRET), 503),
        (psycopg.DataError(SECRET), 422),
        (RecursionError(SECRET), 400),
        (ExceptionGroup(SECRET, [ValueError(SECRET)]), 500),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else str(one),
)
async def test_no_failure_tells_of_its_cause(
    error: Exception, status: int, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(Blobs, "head", failing)

    def checked(*_arguments: object) -> None: ...

    monkeypatch.setattr(Links, "check", checked)
    answer = await api.client.get("/api/v1/files/k/content")
    assert answer.status_code == status
    silent(answer)
