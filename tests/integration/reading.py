"""A client without a WebSocket: a stream or polls over HTTP, and actions; a node, and a room."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec

from api.realtime.gateway import open_gateway
from api.realtime.reader import Reader as Served
from api.serving import config, front
from domain.project import PROJECT, ProjectRole, RemoveMember
from infra.nodes import heartbeat
from infra.runtime import SYSTEM, Runtime, open_runtime
from infra.settings import Settings
from projections.read import wait_for
from tests.http import PLAIN
from tests.integration.application import application
from tests.integration.sockets import Live, Socket, listening
from tests.workers.office import until
from workers.dismissed import Dismissed

WAIT_S = 15.0

Json = dict[str, Any]


class Event(msgspec.Struct, frozen=True):
    """An event of a stream, as EventSource would give it."""

    name: str
    id: str  # the last that was seen, as EventSource keeps it
    data: bytes

    @property
    def frame(self) -> Json:
        return msgspec.json.decode(self.data)


class Stream:
    """An open stream; what it told, and what it said beside that."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.events: list[Event] = []
        self.comments = 0
        self.retry_ms = 0
        self.last_id = ""
        self._taken: set[int] = set()
        self._coming = self._parsed(answer.aiter_lines())

    async def _parsed(self, lines: AsyncIterator[str]) -> AsyncGenerator[Event]:
        name, data = "", list[str]()
        async for line in lines:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match field:
                case "" if line:
                    self.comments += 1
                case "":
                    if data:
                        yield Event(name or "message", self.last_id, "\n".join(data).encode())
                    name, data = "", []
                case "id":
                    self.last_id = value
                case "retry":
                    self.retry_ms = int(value)
                case "event":
                    name = value
                case _:
                    data.append(value)

    async def next(self) -> Event:
        async with asyncio.timeout(WAIT_S):
            event = await anext(self._coming)
        self.events.append(event)
        return event

    async def until(self, matches: Callable[[Json], bool]) -> Event:
        """The first that matches and was not given before, among those seen or to come."""
        while True:
            for number, event in enumerate(self.events):
                if number not in self._taken and matches(event.frame):
                    self._taken.add(number)
                    return event
            await self.next()

    async def op(self, op: str) -> Event:
        return await self.until(lambda frame: frame.get("op") == op)

    async def act(self, number: int) -> Event:
        """The act with that number."""
        return await self.until(lambda frame: number_of(frame) == number)

    async def ended(self) -> Json | None:
        """What the `close` event said, once the stream is over."""
        async with asyncio.timeout(WAIT_S):
            async for event in self._coming:
                self.events.append(event)
        ends = [event.frame for event in self.events if event.name == "close"]
        return ends[-1] if ends else None

    @property
    def frames(self) -> list[Json]:
        return [event.frame for event in self.events if event.name == "message"]


def number_of(frame: Json) -> int | None:
    """Of an act that a test did."""
    if frame.get("op") != "ev" or frame["type"] != "activity.recorded":
        return None
    return frame["data"]["data"]["n"]


def numbers_of(frames: Iterable[Json]) -> list[int]:
    """Of the acts among the frames."""
    return [number for frame in frames if (number := number_of(frame)) is not None]


class Reader:
    """A person who reads one room under one connection."""

    def __init__(self, client: httpx.AsyncClient, token: str, room: str) -> None:
        self.client, self.token, self.room = client, token, room
        self.connection: UUID | None = uuid4()
        self.after: int | None = None

    @property
    def path(self) -> str:
        return f"/api/v1/realtime/rooms/{self.room}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def _params(self, **params: object) -> dict[str, Any]:
        given = {"connection": self.connection, "after": self.after} | params
        return {name: str(value) for name, value in given.items() if value is not None}

    @asynccontextmanager
    async def stream(self, last_id: str = "", **params: object) -> AsyncGenerator[Stream]:
        headers = self.headers | ({"Last-Event-ID": last_id} if last_id else {})
        request = self.client.stream(
            "GET", f"{self.path}/events", params=self._params(**params), headers=headers
        )
        async with request as answer:
            assert answer.status_code == 200, (await answer.aread()).decode()
            yield Stream(answer)

    async def asked(self, **params: object) -> httpx.Response:
        return await self.client.get(
            f"{self.path}/events", params=self._params(**params), headers=self.headers
        )

    async def poll(self, wait: int = 5_000, **params: object) -> Json:
        """One long poll; the next one goes on where this ends."""
        answer = await self.asked(wait=wait, **params)
        assert answer.status_code == 200, answer.text
        polled = msgspec.json.decode(answer.content)
        self.after, self.connection = polled.get("after", self.after), UUID(polled["connection"])
        return polled

    async def post(self, op: str, **fields: object) -> httpx.Response:
        """A client frame; it gets an id of its own unless it has one."""
        frame: Json = {"op": op, "id": uuid4()} | ({} if op == "status" else {"room": self.room})
        return await self.client.post(
            f"{self.path}/actions",
            params={"connection": str(self.connection)},
            content=msgspec.json.encode(frame | fields),
            headers=self.headers,
        )

    async def do(self, op: str, **fields: object) -> Json:
        answer = await self.post(op, **fields)
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content)


class Room:
    """A project's room, Ann who manages it, and Bob who contributes."""

    def __init__(
        self, live: Live, client: httpx.AsyncClient, project: UUID, ann: UUID, bob: UUID
    ) -> None:
        self.live, self.client, self.ann, self.bob = live, client, ann, bob
        self.project, self.name = project, f"project:{project}"

    def reader(self, user: UUID | None = None, ttl_s: int = 900) -> Reader:
        """Bob, unless somebody else is named."""
        token = self.live.token(user or self.bob, ttl_s)
        return Reader(self.client, token, self.name)

    async def socket(self, user: UUID | None = None) -> Socket:
        """Ann, unless somebody else is named; in the room."""
        socket = await self.live.open(user or self.ann)
        assert (await socket.ask("join", room=self.name))["op"] == "joined"
        return socket

    async def act(self, socket: Socket, number: int) -> int:
        ack = await socket.ask("act", room=self.name, kind="n", data={"n": number})
        return ack["pos"]

    async def remove_bob(self) -> None:
        remove = RemoveMember(user=self.bob)
        execute = self.live.runtime.execute
        await execute(SYSTEM, PROJECT, self.project, remove, project=self.project)


async def made(live: Live, client: httpx.AsyncClient) -> Room:
    """The room of a new project; requests go where the client's do."""
    ann, bob = await live.user("ann"), await live.user("bob")
    project = await live.project(ann)
    await live.add(project, bob, ProjectRole.CONTRIBUTOR)
    return Room(live, client, project, ann, bob)


async def in_room(live: Live, reader: Reader) -> None:
    """Return once a request of the reader is answered from its room."""

    async def found() -> bool:
        return any(
            isinstance(one, Served) and one.connection == reader.connection and one.participations
            for one in live.gateway.connections.values()
        )

    await until(found)


async def dismissed(runtime: Runtime) -> None:
    """What the scheduler does about those who may not be in their room any more."""
    look = Dismissed(runtime)
    for _ in range(2):
        await wait_for(runtime, "queries", await runtime.store.head())
        await look(0.0)


def asking(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, trust_env=False, verify=PLAIN, timeout=40)


def http(live: Live) -> str:
    return live.url.replace("ws://", "http://").partition("/api")[0]


def joins(frame: Json, user: UUID) -> bool:
    """A presence in which that person comes."""
    return frame["op"] == "presence" and any(
        member["user"] == str(user) for member in frame.get("join", [])
    )


@asynccontextmanager
async def node(settings: Settings) -> AsyncGenerator[Live]:
    """An api process as production runs it, with a runtime of its own, in this process."""
    async with (
        open_runtime(settings) as runtime,
        heartbeat(runtime, "api") as heart,
        open_gateway(runtime) as gateway,
    ):
        with application(runtime, heart, gateway) as app:
            async with listening(config(front(app, gateway), settings)) as url:
                live = Live(runtime, gateway, url)
                try:
                    yield live
                finally:
                    await live.close()
                    await gateway.drain()
