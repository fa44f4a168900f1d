"""The API of production on a real port, and people who use it through the client."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import msgspec

from api.client.client import Client
from api.client.errors import NotConnected
from api.listening import listen
from api.serving import serve_app
from api.users import NewUser, register_user
from domain.project import PROJECT, AddMember, CreateProject, ProjectRole
from domain.user import Role
from infra.folder import free_port
from infra.instance import base_url
from infra.runtime import SYSTEM, Runtime
from tests.integration.application import CHEAP, unused

PASSWORD = "correct horse battery"
WAIT_S = 20.0


class Served:
    """A server, and the clients of people who are signed in, closed with it."""

    def __init__(self, runtime: Runtime, url: str, stack: AsyncExitStack) -> None:
        self.runtime, self.url, self._stack = runtime, url, stack

    async def person(self, name: str, role: Role = Role.MEMBER) -> Client:
        wanted = NewUser(email=f"{name}@example.org", name=name, role=role, password=PASSWORD)
        await register_user(self.runtime, CHEAP, SYSTEM, self.runtime.new_id(), wanted)
        client = await self._stack.enter_async_context(Client(self.url))
        await client.login(wanted.email, PASSWORD)
        return client

    async def room(self, *people: Client) -> str:
        """The room of a new project that they work on; the first manages it."""
        project, (first, *others) = self.runtime.new_id(), [person.me.id for person in people]
        create = CreateProject(name="P", manager=first, at=self.runtime.now())
        await self.runtime.execute(SYSTEM, PROJECT, project, create, project=project)
        for user in others:
            await self._add(project, user)
        return f"project:{project}"

    async def _add(self, project: UUID, user: UUID) -> None:
        add = AddMember(user=user, role=ProjectRole.CONTRIBUTOR)
        await self.runtime.execute(SYSTEM, PROJECT, project, add, project=project)


@asynccontextmanager
async def served(runtime: Runtime) -> AsyncGenerator[Served]:
    """The API over the runtime's database, with a runtime of its own as in production."""
    settings = msgspec.structs.replace(runtime.settings, port=free_port())
    url = base_url(settings)
    with unused() as app, listen(settings) as listener:
        serving = asyncio.create_task(serve_app(settings, listener, app, CHEAP))
        try:
            await _answers(url, serving)
            async with AsyncExitStack() as stack:
                yield Served(runtime, url, stack)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


async def _answers(url: str, serving: asyncio.Task[None]) -> None:
    async with asyncio.timeout(WAIT_S), Client(url) as client:
        while not serving.done():
            try:
                await client.missing()
            except NotConnected:
                await asyncio.wait({serving}, timeout=0.02)
            else:
                return
    serving.result()
