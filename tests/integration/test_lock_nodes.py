"""Locks while gateways are killed: the next one gets it, by the lease at the latest."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from subprocess import Popen
from uuid import UUID

import msgspec
import pytest

from api.realtime import protocol as p
from domain.project import ProjectRole
from infra.folder import free_port
from infra.runtime import Runtime
from tests.faults.children import LIMIT_S, serving
from tests.http import answers
from tests.infra.until import until
from tests.integration.sockets import Json, Served, Socket
from workers.scheduler import schedule

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]

LEASE_S = 4.0  # of a node
TTL_MS = 5_000


class Node(Served):
    """An api process of its own."""

    def __init__(self, runtime: Runtime, port: int, process: Popen[bytes]) -> None:
        super().__init__(runtime, f"ws://127.0.0.1:{port}{p.PATH}")
        self._live, self._process = f"http://127.0.0.1:{port}/livez", process

    def is_up(self) -> bool:
        assert self._process.poll() is None
        return answers(self._live)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Nodes:
    """Two nodes, one of which dies, and the room of a project."""

    def __init__(self, dies: Node, lives: Node, project: UUID) -> None:
        self.dies, self.lives, self.project = dies, lives, project
        self.room = f"project:{project}"

    async def comes(self, node: Node) -> Socket:
        user = await node.user("somebody")
        await node.add(self.project, user, ProjectRole.CONTRIBUTOR)
        socket = await node.open(user)
        await socket.ask("join", room=self.room)
        return socket

    async def lock(self, socket: Socket, resource: str, *, wait: bool = False) -> Json:
        return await socket.ask("lock", room=self.room, resource=resource, ttl=TTL_MS, wait=wait)


@pytest.fixture
async def nodes(projected: Runtime, tmp_path: Path) -> AsyncIterator[Nodes]:
    started: list[Node] = []
    with ExitStack() as stack:
        for name in ("one", "two"):
            settings = msgspec.structs.replace(projected.settings, port=free_port())
            process = stack.enter_context(serving("api.main", settings, tmp_path / name))
            started.append(Node(projected, settings.port, process))
        for node in started:
            await until(node.is_up, LIMIT_S)
        scheduling = asyncio.create_task(schedule(projected, lambda _: None, LEASE_S))
        dies, lives = started
        yield Nodes(dies, lives, await lives.project(await lives.user("ann")))
        for node in started:
            await node.close()
        scheduling.cancel()
        await asyncio.gather(scheduling, return_exceptions=True)


async def test_what_was_held_and_waited_for_through_a_lost_node_goes_on(nodes: Nodes) -> None:
    """Its waiters are passed over once that is known; what it held, when the lease ends."""
    ann, bob, cyd = [await nodes.comes(node) for node in (nodes.lives, nodes.dies, nodes.lives)]
    held = (await nodes.lock(ann, "desk"))["lock"]
    assert (await nodes.lock(bob, "desk", wait=True))["queued"] == 1
    assert (await nodes.lock(cyd, "desk", wait=True))["queued"] == 2
    lost = (await nodes.lock(bob, "chair"))["lock"]
    assert (await nodes.lock(cyd, "chair", wait=True))["queued"] == 1
    renewed = await cyd.until(lambda frame: is_about("chair", "lock.renewed", frame))
    nodes.dies.kill()
    gone = await cyd.event("lock.unqueued")
    assert gone["data"]["reason"] == "gone"
    await ann.ask("unlock", room=nodes.room, resource="desk", token=held["token"])
    granted = await cyd.until(lambda frame: is_about("desk", "lock.granted", frame))
    assert granted["data"]["token"] > held["token"]
    passed = await cyd.until(lambda frame: is_about("chair", "lock.granted", frame))
    assert passed["data"]["token"] > lost["token"]
    assert moment(passed["at"]) >= moment(renewed["data"]["expires"])
    again = await cyd.until(lambda frame: is_about("chair", "lock.renewed", frame))
    assert again["pos"] > passed["pos"], "by the node where it was waited for"


def is_about(resource: str, kind: str, frame: Json) -> bool:
    return frame["op"] == "ev" and frame["type"] == kind and frame["data"]["resource"] == resource


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
