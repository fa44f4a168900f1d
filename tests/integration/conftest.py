"""The REST application in this process, over real servers and a running projector."""

from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID

import httpx
import msgspec
import pytest
from litestar import Litestar

from api.realtime.gateway import open_gateway
from api.users import NewUser, register_user
from domain.user import Role
from infra.nodes import Heart, heartbeat
from infra.runtime import SYSTEM, Runtime
from tests.integration.application import CHEAP, application
from tests.integration.reading import Room, asking, http, made, node
from tests.integration.sockets import Live

PASSWORD = "correct horse battery"

Json = Any  # whatever an answer's body is


class Person:
    """Somebody who is signed in; requests are made in their name."""

    def __init__(self, client: httpx.AsyncClient, user: UUID, email: str, token: str) -> None:
        self.id = str(user)
        self.email = email
        self.token = token
        self.position = 0  # of their last write
        self._client = client

    async def __call__(
        self, method: str, path: str, body: Json = None, **headers: str
    ) -> httpx.Response:
        """A request; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("Authorization", f"Bearer {self.token}")
        return await self._client.request(method, f"/api/v1{path}", json=body, headers=named)

    async def do(self, method: str, path: str, body: Json = None, **headers: str) -> Json:
        """A command that succeeds; its answer."""
        answer = await self(method, path, body, **headers)
        assert answer.is_success, answer.text
        self.position = int(answer.headers.get("X-Position", self.position))
        return answer.json()

    async def get(self, path: str, **filters: Json) -> Json:
        """What a query answers once it shows one's last write."""
        answer = await self._client.get(
            f"/api/v1{path}",
            params={"min_position": self.position, **filters},
            headers={"Authorization": f"Bearer {self.token}"},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, method: str, path: str, body: Json = None, **headers: str) -> str:
        """The status and the code of a request that fails."""
        return refusal(await self(method, path, body, **headers))


class Api:
    """The application and the people who use it."""

    def __init__(
        self, app: Litestar, runtime: Runtime, heart: Heart, client: httpx.AsyncClient
    ) -> None:
        self.app = app
        self.runtime = runtime
        self.heart = heart
        self.client = client
        self._people = 0

    async def as_(self, role: str) -> Person:
        """A new user of that role, signed in."""
        self._people += 1
        email = f"{role}{self._people}@example.com"
        user = self.runtime.new_id()
        wanted = NewUser(email=email, name=role.title(), role=Role(role), password=PASSWORD)
        outcome = await register_user(self.runtime, CHEAP, SYSTEM, user, wanted)
        session = await self.login(email)
        person = Person(self.client, user, email, session["access_token"])
        person.position = outcome.position or 0
        return person

    async def login(self, email: str, password: str = PASSWORD) -> Json:
        answer = await self.post("/auth/login", {"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Json) -> httpx.Response:
        """A request in nobody's name."""
        return await self.client.post(f"/api/v1{path}", json=body)


class Place(msgspec.Struct, frozen=True):
    """A project with a task, its manager and a contributor."""

    boss: Person
    ann: Person
    project: str
    task: str


def refusal(answer: httpx.Response) -> str:
    """Status and code, as in "403 access.denied"."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    return f"{answer.status_code} {answer.json()['code']}"


@pytest.fixture
async def api(projected: Runtime) -> AsyncIterator[Api]:
    async with heartbeat(projected, "api") as heart, open_gateway(projected) as gateway:
        with application(projected, heart, gateway) as app:
            # httpx and Litestar type ASGI apart
            transport = httpx.ASGITransport(cast(Any, app), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
                yield Api(app, projected, heart, client)


@pytest.fixture
async def place(api: Api) -> Place:
    boss, ann = await api.as_("manager"), await api.as_("member")
    project = (await boss.do("POST", "/projects", {"name": "P"}))["id"]
    await boss.do("PUT", f"/projects/{project}/members/{ann.id}", {"role": "contributor"})
    task = await ann.do(
        "POST", f"/projects/{project}/tasks", {"title": "Draw", "due": "2026-05-01"}
    )
    return Place(boss, ann, project, task["id"])


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    """A node as production runs it, for sockets and for HTTP."""
    async with node(projected.settings) as running:
        yield running


@pytest.fixture
async def room(live: Live) -> AsyncIterator[Room]:
    async with asking(http(live)) as client:
        yield await made(live, client)
