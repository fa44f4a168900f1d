"""How a membership ends, on every node: log-out, deactivation, removal, the token's end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID

import pytest

from api.tokens import read
from domain.entry import SignOut
from domain.project import PROJECT, ProjectRole, RemoveMember
from domain.user import USER, DeactivateUser
from infra.runtime import SYSTEM, Runtime, open_runtime
from tests.integration.sockets import Live, Socket, live_gateway

SOON_S = 1.0  # how long a membership that has ended may go on, anywhere


class Nodes:
    """Two api processes' gateways over one log, and a person in a project's room on both."""

    def __init__(self, one: Live, two: Live, user: UUID, project: UUID) -> None:
        self.one, self.two, self.user, self.project = one, two, user, project

    async def open(self, live: Live, token: str) -> Socket:
        socket = await live.open()
        await socket.say("hello", token=token)
        await socket.until(lambda frame: frame["op"] == "welcome")
        await socket.until(lambda frame: frame["op"] == "joined")
        await socket.ask("join", room=f"project:{self.project}")
        return socket


@pytest.fixture
async def nodes(projected: Runtime) -> AsyncIterator[Nodes]:
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(open_runtime(projected.settings))
        one = await stack.enter_async_context(live_gateway(projected))
        two = await stack.enter_async_context(live_gateway(other))
        user = await one.user("bob")
        project = await one.project(await one.user("ann"))
        await one.add(project, user, ProjectRole.CONTRIBUTOR)
        yield Nodes(one, two, user, project)


async def test_a_logout_ends_the_sockets_of_that_login_on_every_node(nodes: Nodes) -> None:
    here, elsewhere = (nodes.one.token(nodes.user) for _ in range(2))
    ended = [await nodes.open(live, here) for live in (nodes.one, nodes.two)]
    kept = [await nodes.open(live, elsewhere) for live in (nodes.one, nodes.two)]
    session = read(here, nodes.one.runtime.keys, nodes.one.runtime.now()).sid
    await nodes.one.runtime.execute(
        SYSTEM, USER, nodes.user, SignOut(session=session, at=nodes.one.runtime.now())
    )
    async with asyncio.timeout(SOON_S):
        assert [await socket.closed() for socket in ended] == [4001, 4001]
    for socket in kept:
        await socket.say("ping", t=1)
        assert await socket.until(lambda frame: frame["op"] == "pong")
    back = await nodes.two.open()
    await back.say("hello", token=here)
    assert (await back.until(lambda frame: frame["op"] == "err"))["code"] == "auth.signed_out"
    assert await back.closed() == 4001


async def test_a_deactivation_ends_all_sockets_of_the_person_on_every_node(nodes: Nodes) -> None:
    token = nodes.one.token(nodes.user)
    sockets = [await nodes.open(live, token) for live in (nodes.one, nodes.two)]
    await nodes.one.runtime.execute(SYSTEM, USER, nodes.user, DeactivateUser())
    async with asyncio.timeout(SOON_S):
        assert [await socket.closed() for socket in sockets] == [4003, 4003]


async def test_a_removal_ends_the_membership_on_every_node(nodes: Nodes) -> None:
    token = nodes.one.token(nodes.user)
    sockets = [await nodes.open(live, token) for live in (nodes.one, nodes.two)]
    remove = RemoveMember(user=nodes.user)
    await nodes.one.runtime.execute(SYSTEM, PROJECT, nodes.project, remove, project=nodes.project)
    async with asyncio.timeout(SOON_S):
        for socket in sockets:
            left = await socket.until(lambda frame: frame["op"] == "left")
            assert (left["room"], left["why"]) == (f"project:{nodes.project}", "removed")


async def test_a_token_that_runs_out_is_announced_and_ends_the_connection(nodes: Nodes) -> None:
    socket = await nodes.open(nodes.one, nodes.one.token(nodes.user, ttl_s=2))
    expiring = await socket.until(lambda frame: frame["op"] == "expiring")
    assert 0 < expiring["in"] <= 2_000
    assert await socket.closed() == 4001


async def test_a_renewed_token_keeps_the_connection(nodes: Nodes) -> None:
    socket = await nodes.open(nodes.one, nodes.one.token(nodes.user, ttl_s=3))
    await socket.until(lambda frame: frame["op"] == "expiring")
    ack = await socket.ask("token", token=nodes.one.token(nodes.user))
    assert ack["op"] == "ack"
    (connection,) = nodes.one.gateway.connections.values()
    expires = connection.attendance.session.expires
    assert expires is not None
    assert (expires - nodes.one.runtime.now()).total_seconds() > 800


async def test_a_token_of_somebody_else_does_not_renew(nodes: Nodes) -> None:
    socket = await nodes.open(nodes.one, nodes.one.token(nodes.user))
    other = nodes.one.token(await nodes.one.user("eve"))
    assert (await socket.ask("token", token=other))["code"] == "auth.other_user"
    assert await socket.closed() == 4001


async def test_who_says_nothing_is_cut_off_in_time(nodes: Nodes) -> None:
    """Five seconds from the upgrade, and the tick that notices."""
    started = asyncio.get_running_loop().time()
    silent = await nodes.one.open()
    assert await silent.closed() == 4001
    assert 4.5 < asyncio.get_running_loop().time() - started < 7.0
