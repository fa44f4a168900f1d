"""The REST application in this process, over real servers and a running projector."""

from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from argon2 import PasswordHasher
from litestar import Litestar

from api.app import create_app
from api.users import NewUser, register_user
from domain.user import Role
from infra.nodes import Heart, heartbeat
from infra.passwords import Passwords
from infra.runtime import SYSTEM, Runtime

PASSWORD = "correct horse battery"


class Person:
    """Somebody who is signed in; requests are made in their name."""

    def __init__(self, client: httpx.AsyncClient, user: UUID, email: str, token: str) -> None:
        self.id = user
        self.email = email
        self.token = token
        self._client = client

    async def __call__(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> httpx.Response:
        """A request; header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._client.request(
            method,
            f"/api/v1{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}", **named},
        )


class Api:
    """The application and the people who use it."""

    def __init__(
        self, app: Litestar, runtime: Runtime, heart: Heart, client: httpx.AsyncClient
    ) -> None:
        self.app = app
        self.runtime = runtime
        self.heart = heart
        self.client = client
        self._passwords: Passwords = CHEAP
        self._people = 0

    async def as_(self, role: Role | str, name: str = "") -> Person:
        """A new user of that role, signed in."""
        self._people += 1
        email = f"{name or role}{self._people}@example.com"
        user = self.runtime.new_id()
        wanted = NewUser(email=email, name=name or str(role), role=Role(role), password=PASSWORD)
        await register_user(self.runtime, self._passwords, SYSTEM, user, wanted)
        session = await self.login(email)
        return Person(self.client, user, email, session["access_token"])

    async def login(self, email: str, password: str = PASSWORD) -> dict[str, Any]:
        answer = await self.post("/auth/login", {"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: object) -> httpx.Response:
        """A request in nobody's name."""
        return await self.client.post(f"/api/v1{path}", json=body)


CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
async def api(projected: Runtime) -> AsyncIterator[Api]:
    async with heartbeat(projected, "api") as heart:
        app = create_app(projected, heart, passwords=CHEAP)
        transport = httpx.ASGITransport(cast(Any, app), raise_app_exceptions=False)  # typed apart
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            yield Api(app, projected, heart, client)


async def created(answer: httpx.Response) -> dict[str, Any]:
    """What a creation answered."""
    assert answer.status_code == 201, answer.text
    return answer.json()
