"""A gateway on a real port, people with tokens, and sockets that read frames by what they say."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import msgspec
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from api.realtime import protocol as p
from api.realtime.gateway import Gateway, open_gateway
from api.serving import Server, config
from api.tokens import claims, sign
from domain.email import EMAIL, ReserveEmail, email_stream
from domain.project import PROJECT, AddMember, CreateProject, ProjectRole
from domain.task import TASK, CreateTask
from domain.user import USER, RegisterUser, Role
from infra.eventstore.execute import Do
from infra.folder import free_port
from infra.runtime import SYSTEM, Runtime

WAIT_S = 10.0

Json = dict[str, Any]


class Socket:
    """A client of the bare protocol: no reconnects, no cleverness."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.seen: list[Json] = []
        self._taken: set[int] = set()

    async def say(self, op: str, **fields: object) -> UUID:
        """Send a frame with an id of its own; returns the id."""
        frame_id = uuid4()
        await self.send({"op": op, "id": frame_id, **fields})
        return frame_id

    async def send(self, frame: Mapping[str, object]) -> None:
        await self.connection.send(msgspec.json.encode(frame).decode(), text=True)

    async def until(self, matches: Callable[[Json], bool]) -> Json:
        """The first frame that matches and was not given before, among those seen or to come."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for number, frame in enumerate(self.seen):
                    if number not in self._taken and matches(frame):
                        self._taken.add(number)
                        return frame
                self.seen.append(msgspec.json.decode(await self.connection.recv()))

    async def answer(self, to: UUID) -> Json:
        return await self.until(lambda frame: frame.get("re") == str(to))

    async def ask(self, op: str, **fields: object) -> Json:
        return await self.answer(await self.say(op, **fields))

    async def event(self, kind: str) -> Json:
        return await self.until(lambda frame: frame["op"] == "ev" and frame["type"] == kind)

    async def closed(self) -> int:
        """The code of the close, once it comes."""
        async with asyncio.timeout(WAIT_S):
            await self.connection.wait_closed()
        return self.connection.close_code or 1006


class Served:
    """People with projects and tokens, and where their gateway listens."""

    def __init__(self, runtime: Runtime, url: str) -> None:
        self.runtime, self.url = runtime, url
        self._open: list[Socket] = []

    async def user(self, name: str, role: Role = Role.MEMBER) -> UUID:
        user, email = self.runtime.new_id(), f"{name}-{uuid4().hex[:6]}@example.org"
        register = RegisterUser(email=email, name=name, role=role, at=self.runtime.now())
        reserve = Do(EMAIL, email_stream(email), ReserveEmail(user=user))
        await self.runtime.execute(SYSTEM, USER, user, register, reserve)
        return user

    async def project(self, manager: UUID) -> UUID:
        project = self.runtime.new_id()
        create = CreateProject(name="P", manager=manager, at=self.runtime.now())
        await self.runtime.execute(SYSTEM, PROJECT, project, create, project=project)
        return project

    async def add(self, project: UUID, user: UUID, role: ProjectRole) -> None:
        add = AddMember(user=user, role=role)
        await self.runtime.execute(SYSTEM, PROJECT, project, add, project=project)

    async def task(self, project: UUID) -> UUID:
        task = self.runtime.new_id()
        create = CreateTask(project=project, title="T", at=self.runtime.now())
        await self.runtime.execute(SYSTEM, TASK, task, create, project=project)
        return task

    def token(self, user: UUID, ttl_s: int = 900) -> str:
        content = claims(user, Role.MEMBER, uuid4(), uuid4(), self.runtime.now(), ttl_s)
        return sign(content, self.runtime.keys)

    async def open(self, user: UUID | None = None) -> Socket:
        """A socket, welcomed as `user`; without one, nobody is signed in yet."""
        socket = await self.open_by(self.token(user) if user else "")
        if user:
            await socket.until(lambda frame: frame["op"] == "welcome")
            await socket.until(lambda frame: frame["op"] == "joined")
        return socket

    async def open_by(self, token: str) -> Socket:
        """A socket that has said a token, if there is one."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection = await connect(
            self.url,
            subprotocols=[Subprotocol(p.SUBPROTOCOL)],
            additional_headers=headers,
            ping_interval=None,
            close_timeout=1,  # a client that has unread frames does not see the close at once
        )
        socket = Socket(connection)
        self._open.append(socket)
        return socket

    async def close(self) -> None:
        await asyncio.gather(*(socket.connection.close() for socket in self._open))


class Live(Served):
    """The same with the gateway in this process."""

    def __init__(self, runtime: Runtime, gateway: Gateway, url: str) -> None:
        super().__init__(runtime, url)
        self.gateway = gateway


async def pair(live: Live) -> tuple[Socket, Socket, str]:
    """Two in one project's room."""
    ann, bob = await live.user("ann"), await live.user("bob")
    project = await live.project(ann)
    await live.add(project, bob, ProjectRole.CONTRIBUTOR)
    room = f"project:{project}"
    one, two = await live.open(ann), await live.open(bob)
    await one.ask("join", room=room)
    await two.ask("join", room=room)
    return one, two, room


@asynccontextmanager
async def listening(served: uvicorn.Config) -> AsyncGenerator[str]:
    """The WebSockets' address of the server that production runs, on a port of its own."""
    served.port = free_port()
    server = Server(served)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(WAIT_S):
        while not server.started:
            await asyncio.wait({serving}, timeout=0.01)
    try:
        yield f"ws://127.0.0.1:{served.port}{p.PATH}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def live_gateway(runtime: Runtime) -> AsyncGenerator[Live]:
    """A gateway over `runtime`, served by the server that production runs."""
    async with open_gateway(runtime) as gateway:
        server_config: uvicorn.Config = config(gateway, runtime.settings)
        server_config.lifespan = "off"
        async with listening(server_config) as url:
            live = Live(runtime, gateway, url)
            try:
                yield live
            finally:
                await live.close()


@asynccontextmanager
async def dawdler(live: Live, user: UUID) -> AsyncGenerator[Socket]:
    """A client that reads a frame when it is asked for, and keeps hardly any waiting."""
    headers = {"Authorization": f"Bearer {live.token(user)}"}
    async with connect(
        live.url, additional_headers=headers, max_queue=1, close_timeout=1
    ) as connection:
        yield Socket(connection)
