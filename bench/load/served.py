"""Who is measured: Formula's gateway, or Socket.IO's server, started afresh for every round."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from socket import create_connection
from typing import TypeAlias
from uuid import NAMESPACE_OID, UUID, uuid5

import msgspec
import psutil

from api.realtime import protocol as p
from api.tokens import claims, sign
from bench.load import ws
from bench.load.crowd import Dialect
from bench.load.lag import until_ready
from domain.project import PROJECT, AddMember, CreateProject, ProjectRole
from domain.user import USER, RegisterUser, Role
from infra.folder import free_port
from infra.runtime import SYSTEM, Runtime, open_runtime
from infra.settings import Settings, child_environment

USERS = 200
START_S = 30.0
NODE = Path(__file__).parents[1] / "peers" / "socketio" / "server.mjs"
SECRET = "a-secret-of-the-benchmark-that-is-long-enough"  # noqa: S105


class Formula(msgspec.Struct, frozen=True, tag="formula"):
    """One api process and one projector of the rooms; clients are in `rooms` projects by turns.

    With no room they are in their own, where everybody is who is signed in.
    """

    settings: Settings
    rooms: int = 1


class Node(msgspec.Struct, frozen=True, tag="node"):
    """One Node process with the Redis adapter."""

    redis_url: str
    rooms: int = 1


Side = Formula | Node


class Service(msgspec.Struct, frozen=True):
    """A running server. `processes`: by name; the first is the one with the sockets."""

    port: int
    dialect: Dialect
    processes: Mapping[str, psutil.Process]

    @property
    def process(self) -> psutil.Process:
        return next(iter(self.processes.values()))


@contextmanager
def serving(side: Side) -> Generator[Service]:
    """The server, ready; stopped on leaving."""
    port = free_port()
    with ExitStack() as stack:
        start = partial(started, stack)
        match side:
            case Formula(settings=settings, rooms=rooms):
                processes, dialect = _formula(unlimited(settings, port), rooms, start)
            case Node(redis_url=url, rooms=rooms):
                given = msgspec.json.encode({"url": url, "port": port}).decode()
                processes = {"node": start(("node", str(NODE), given), None)}
                dialect = NodeDialect(rooms)
        until_answering(port)
        yield Service(port, dialect, processes)


Start: TypeAlias = Callable[[Sequence[str], Mapping[str, str] | None], psutil.Process]


def _formula(
    settings: Settings, rooms: int, start: Start
) -> tuple[dict[str, psutil.Process], Dialect]:
    env = child_environment(settings)
    projector = start((sys.executable, "-m", "projections.main", "--group", "live"), env)
    api = start((sys.executable, "-m", "api.main"), env)
    dialect = asyncio.run(_prepared(settings, rooms))
    return {"api": api, "projector": projector}, dialect


def unlimited(settings: Settings, port: int) -> Settings:
    """Without limits: they would be what is measured."""
    return msgspec.structs.replace(
        settings,
        port=port,
        jwt_secret=SECRET,
        rate_limit_max_requests=0,
        rate_limit_user_max_requests=0,
        rate_limit_actions_per_minute=0,
        rate_limit_motion_per_s=0,
        rate_limit_frames_per_s=0,
        max_connections_per_user=0,
        max_connections_per_address=0,
    )


def started(stack: ExitStack, argv: Sequence[str], env: Mapping[str, str] | None) -> psutil.Process:
    child = subprocess.Popen(argv, env=env)
    stack.callback(child.wait)
    stack.callback(child.terminate)
    return psutil.Process(child.pid)


def until_answering(port: int) -> None:
    """Whatever it says: Formula's port is open before it serves."""
    late = time.monotonic() + START_S
    while True:
        try:
            with create_connection(("127.0.0.1", port), START_S) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n")
                if sock.recv(1):
                    return
        except OSError:
            if time.monotonic() > late:
                raise
        time.sleep(0.05)


class FormulaDialect:
    """Who is signed in is in their own room; with `rooms`, in one of these as well."""

    def __init__(self, tokens: Sequence[str], rooms: Sequence[str]) -> None:
        self._tokens, self._rooms = tokens, rooms
        self.held: dict[int, int] = {}  # the positions that they come back with
        self._joined = b'{"op":"joined","room":"' + (b"project:" if rooms else b"user:")

    def upgrade(self, number: int) -> bytes:
        token = self._tokens[number % len(self._tokens)]
        return ws.upgrade(p.PATH, "bench.test", {"Authorization": f"Bearer {token}"})

    def opened(self, number: int) -> bytes:
        if not self._rooms:
            return b""
        held = self.held.get(number)
        since = b"" if held is None else b',"after":%d' % held
        return ws.text(b'{"op":"join","room":"%s"%s}' % (self._room(number), since))

    def _room(self, number: int) -> bytes:
        return self._rooms[number % len(self._rooms)].encode()

    def heard(self, number: int, payload: bytes) -> bytes:  # noqa: ARG002, a Dialect's
        if payload.startswith(b'{"op":"err"'):
            raise ConnectionError(payload.decode())
        return b""

    def is_in(self, payload: bytes) -> bool:
        return payload.startswith(self._joined)

    def act(self, number: int, data: bytes) -> bytes:
        room = self._room(number)
        return ws.text(b'{"op":"act","room":"%s","kind":"note","data":%s}' % (room, data))


class NodeDialect:
    """Engine.IO 4's and Socket.IO 5's frames, of a client that is in one room."""

    def __init__(self, rooms: int) -> None:
        self._rooms = rooms
        self.held: dict[int, int] = {}  # nothing is sent again here

    def upgrade(self, number: int) -> bytes:  # noqa: ARG002, a Dialect's
        return ws.upgrade("/socket.io/?EIO=4&transport=websocket", "bench.test", {})

    def opened(self, number: int) -> bytes:  # noqa: ARG002, a Dialect's
        return b""

    def heard(self, number: int, payload: bytes) -> bytes:
        if payload.startswith(b"0{"):  # open
            return ws.text(b"40")
        if payload.startswith(b"40"):  # connected
            return ws.text(b'42["join","%s"]' % self._room(number)) if self._rooms else b""
        return ws.text(b"3") if payload == b"2" else b""

    def is_in(self, payload: bytes) -> bool:
        return payload.startswith(b'42["joined"' if self._rooms else b"40")

    def _room(self, number: int) -> bytes:
        """As long as Formula's name of a room is."""
        return f"project:{uuid5(NAMESPACE_OID, f'room {number % self._rooms}')}".encode()

    def act(self, number: int, data: bytes) -> bytes:
        return ws.text(b'42["act","%s",%s]' % (self._room(number), data))


async def _prepared(settings: Settings, rooms: int) -> FormulaDialect:
    """People and their projects, new for each round; the projector is at the head of the log."""
    async with open_runtime(settings) as runtime:
        users = [runtime.new_id() for _ in range(USERS)]
        await asyncio.gather(*(register_user(runtime, user) for user in users))
        names = [await new_project(runtime, users) for _ in range(rooms)]
        await until_ready(runtime, ("live",))
        return FormulaDialect([token(runtime, user) for user in users], names)


async def register_user(runtime: Runtime, user: UUID) -> None:
    at, email = runtime.now(), f"{user}@bench.test"
    register = RegisterUser(email=email, name="Somebody", role=Role.MEMBER, at=at)
    await runtime.execute(SYSTEM, USER, user, register)


async def new_project(runtime: Runtime, users: Sequence[UUID]) -> str:
    """A new project with all of them; its room."""
    project, [manager, *others] = runtime.new_id(), users
    create = CreateProject(name="Fair", manager=manager, at=runtime.now())
    await runtime.execute(SYSTEM, PROJECT, project, create, project=project)
    for user in others:
        add = AddMember(user=user, role=ProjectRole.CONTRIBUTOR)
        await runtime.execute(SYSTEM, PROJECT, project, add, project=project)
    return f"project:{project}"


def token(runtime: Runtime, user: UUID) -> str:
    ids = runtime.new_id(), runtime.new_id()
    content = claims(user, Role.MEMBER, *ids, runtime.now(), ttl_s=3_600)
    return sign(content, runtime.keys)
