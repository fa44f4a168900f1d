"""Waiting for a lock, over two gateways: whoever came first has it next, and hears of it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import UUID

import pytest

from api.realtime import protocol as p
from domain.lock import LOCK, ExpireLock, Lock, lock_stream
from domain.project import PROJECT, ChangeMemberRole, ProjectRole, RemoveMember
from infra.runtime import SYSTEM, Runtime, open_runtime
from tests.integration.sockets import Json, Live, Socket, live_gateway

DESK = "desk"


class Office:
    """A project with a manager, Ann, and two gateways to reach it by."""

    def __init__(self, one: Live, other: Live, ann: UUID, project: UUID) -> None:
        self.one, self.other, self.ann, self.project = one, other, ann, project
        self.room = f"project:{project}"
        self.stream = lock_stream(project, DESK)

    async def comes(self, live: Live, role: ProjectRole = ProjectRole.CONTRIBUTOR) -> Socket:
        """Somebody new who is in the room."""
        user = await self.one.user("somebody")
        await self.one.add(self.project, user, role)
        return await self.sits(live, user)

    async def sits(self, live: Live, user: UUID) -> Socket:
        socket = await live.open(user)
        await socket.ask("join", room=self.room)
        return socket

    async def lock(self, socket: Socket, resource: str = DESK, **fields: object) -> Json:
        return await socket.ask("lock", room=self.room, resource=resource, **fields)

    async def unlock(self, socket: Socket, held: Json) -> Json:
        return await socket.ask("unlock", room=self.room, resource=DESK, token=held["token"])

    async def state(self) -> Lock:
        return (await self.one.runtime.load(LOCK, self.stream)).state


@pytest.fixture
async def office(projected: Runtime) -> AsyncIterator[Office]:
    async with AsyncExitStack() as stack:
        elsewhere = await stack.enter_async_context(open_runtime(projected.settings))
        one = await stack.enter_async_context(live_gateway(projected))
        other = await stack.enter_async_context(live_gateway(elsewhere))
        ann = await one.user("ann")
        yield Office(one, other, ann, await one.project(ann))


async def grant(socket: Socket) -> Json:
    """What the socket is told in its own room, once a queue comes to its person."""
    event = await socket.until(
        lambda frame: (
            frame["op"] == "ev"
            and frame["type"] == "lock.granted"
            and frame["room"].startswith("user:")
        )
    )
    return event["data"]


async def test_a_lock_passes_from_gateway_to_gateway_in_the_order_of_asking(
    office: Office,
) -> None:
    sockets = [await office.comes(live) for live in (office.one, office.other) * 2]
    first, *rest = sockets
    held = (await office.lock(first))["lock"]
    asked = [await office.lock(socket, wait=True) for socket in rest]
    assert [ack["queued"] for ack in asked] == [1, 2, 3]
    tokens = [held["token"]]
    for before, after in zip(sockets, rest, strict=False):
        await office.unlock(before, held)
        held = await grant(after)
        tokens.append(held["token"])
        renewed = await after.ask("renew", room=office.room, resource=DESK, token=held["token"])
        assert renewed["lock"]["token"] == held["token"]
    assert tokens == sorted(set(tokens))
    lost = await first.ask("renew", room=office.room, resource=DESK, token=tokens[0])
    assert lost["code"] == "lock.lost"


async def test_the_room_sees_who_waits_and_who_has_it_now(office: Office) -> None:
    ann = await office.sits(office.one, office.ann)
    bob, cyd = await office.comes(office.other), await office.comes(office.one)
    held = (await office.lock(ann))["lock"]
    await office.lock(bob, wait=True)
    queued = await cyd.event("lock.queued")
    await office.lock(cyd, wait=True)
    await ann.until(lambda frame: frame.get("type") == "lock.queued")
    await ann.until(lambda frame: frame.get("type") == "lock.queued")
    dan = await office.comes(office.other)
    await dan.ask("leave", room=office.room)
    joined = await dan.ask("join", room=office.room)
    [shown] = joined["locks"]
    assert shown["participation"] == held["participation"]
    assert shown["queue"][0] == queued["data"]["participation"]
    assert len(shown["queue"]) == 2
    await office.unlock(ann, held)
    granted = await dan.event("lock.granted")
    assert granted["data"]["participation"] == shown["queue"][0]


async def test_asking_again_is_answered_with_the_same_place(office: Office) -> None:
    ann, bob, cyd = [await office.comes(office.one) for _ in range(3)]
    await office.lock(ann)
    assert (await office.lock(bob, wait=True))["queued"] == 1
    assert (await office.lock(cyd, wait=True))["queued"] == 2
    assert (await office.lock(bob, wait=True))["queued"] == 1
    assert (await office.lock(bob))["code"] == "lock.held"
    assert len((await office.state()).queue) == 2


async def test_whoever_no_longer_wants_it_is_passed_over(office: Office) -> None:
    ann, bob, cyd = [await office.comes(office.one) for _ in range(3)]
    held = (await office.lock(ann))["lock"]
    await office.lock(bob, wait=True)
    await office.lock(cyd, wait=True)
    assert (await bob.ask("unwait", room=office.room, resource=DESK))["op"] == "ack"
    await office.unlock(ann, held)
    mine = await grant(cyd)
    assert (await cyd.ask("unwait", room=office.room, resource=DESK))["op"] == "ack"
    lost = await cyd.ask("renew", room=office.room, resource=DESK, token=mine["token"])
    assert lost["code"] == "lock.lost", "what was granted meanwhile is given up as well"


async def test_whoever_waits_through_a_room_that_does_not_show_it_hears_of_the_grant(
    office: Office,
) -> None:
    ann, bob = await office.comes(office.one), await office.comes(office.other)
    task = f"task:{await office.one.task(office.project)}"
    await bob.ask("leave", room=office.room)
    await bob.ask("join", room=task)
    held = (await office.lock(ann))["lock"]
    assert (await bob.ask("lock", room=task, resource=DESK, wait=True))["queued"] == 1
    await office.unlock(ann, held)
    mine = await grant(bob)
    answer = await bob.ask("unlock", room=task, resource=DESK, token=mine["token"])
    assert answer["op"] == "ack"


async def test_a_grant_that_the_bus_lost_is_mended_and_renewed(office: Office) -> None:
    ann, bob = await office.comes(office.one), await office.comes(office.other)
    held = (await office.lock(ann))["lock"]
    ack = await office.lock(bob, wait=True, ttl=5_000)
    assert ack["queued"] == 1
    [waiter] = (await office.state()).queue
    await office.other.gateway.hub.bus.unsubscribe(f"user:{waiter.waiter}")
    await office.unlock(ann, held)
    mine = await grant(bob)
    renewed = await ann.event("lock.renewed")  # by bob's gateway, unasked
    assert renewed["data"]["expires"] > mine["expires"]


async def test_leaving_hands_over_what_was_held_and_waited_for(office: Office) -> None:
    ann, bob, cyd = [await office.comes(office.one) for _ in range(3)]
    await office.lock(ann)
    await office.lock(bob, wait=True)
    await office.lock(cyd, wait=True)
    await bob.ask("leave", room=office.room)
    left = await cyd.event("lock.unqueued")
    assert left["data"]["reason"] == "left"
    await ann.connection.close()
    await grant(cyd)


async def test_a_drop_leaves_the_queue_and_keeps_the_lease(office: Office) -> None:
    ann, bob, cyd = [await office.comes(office.one) for _ in range(3)]
    await office.lock(ann)
    await office.lock(bob, wait=True)
    await office.lock(cyd, wait=True)
    bob.connection.transport.abort()
    await cyd.event("lock.unqueued")
    ann.connection.transport.abort()
    [waiter] = (await office.state()).queue
    runtime = office.one.runtime
    lock = await office.state()
    over = runtime.now() + timedelta(seconds=31)
    early = ExpireLock(token=lock.token, now=runtime.now())
    assert not (await runtime.execute(SYSTEM, LOCK, office.stream, early)).events
    late = ExpireLock(token=lock.token, now=over)
    await runtime.execute(SYSTEM, LOCK, office.stream, late, project=office.project)
    assert (await grant(cyd))["participation"] == str(waiter.participation)


async def test_a_theft_keeps_the_queue(office: Office) -> None:
    ann = await office.sits(office.one, office.ann)
    bob, cyd = await office.comes(office.other), await office.comes(office.one)
    await office.lock(bob)
    await office.lock(cyd, wait=True)
    stolen = await ann.ask("steal", room=office.room, resource=DESK, reason="urgent")
    assert len(stolen["lock"]["queue"]) == 1
    await office.unlock(ann, stolen["lock"])
    await grant(cyd)


async def test_whoever_may_lock_no_longer_neither_holds_nor_waits(office: Office) -> None:
    ann = await office.sits(office.one, office.ann)
    bob, cyd = await office.comes(office.one), await office.comes(office.other)
    await office.lock(bob, keep=True)
    await office.lock(cyd, wait=True)
    await office.lock(ann, wait=True)
    state, runtime, project = await office.state(), office.one.runtime, office.project
    demote = ChangeMemberRole(user=state.queue[0].waiter, role=ProjectRole.VIEWER)
    await runtime.execute(SYSTEM, PROJECT, project, demote, project=project)
    gone = await ann.event("lock.unqueued")
    assert gone["data"]["reason"] == "denied"
    demote = ChangeMemberRole(user=state.holder or project, role=ProjectRole.VIEWER)
    await runtime.execute(SYSTEM, PROJECT, project, demote, project=project)
    await grant(ann)


async def test_removal_from_the_project_leaves_the_queue(office: Office) -> None:
    ann = await office.sits(office.one, office.ann)
    bob = await office.comes(office.other)
    await office.lock(ann)
    await office.lock(bob, wait=True)
    [waiter] = (await office.state()).queue
    remove = RemoveMember(user=waiter.waiter)
    runtime, project = office.one.runtime, office.project
    await runtime.execute(SYSTEM, PROJECT, project, remove, project=project)
    assert (await ann.event("lock.unqueued"))["data"]["participation"] == str(waiter.participation)


async def test_a_connection_asks_for_a_bounded_number_of_locks(office: Office) -> None:
    ann = await office.comes(office.one)
    asked = [
        await ann.say("lock", room=office.room, resource=f"r{n}") for n in range(p.MAX_LOCKS + 1)
    ]
    answers = [await ann.answer(one) for one in asked]
    assert [one.get("code") for one in answers[-2:]] == [None, "lock.too_many"]


async def test_a_command_that_is_sent_again_is_answered_again(office: Office) -> None:
    ann, bob = await office.comes(office.one), await office.comes(office.one)
    await office.lock(ann)
    asked = await bob.say("lock", room=office.room, resource=DESK, wait=True)
    first = await bob.answer(asked)
    again = {"op": "lock", "id": asked, "room": office.room, "resource": DESK, "wait": True}
    await bob.send(again)
    assert (await bob.answer(asked))["queued"] == first["queued"] == 1
    assert len((await office.state()).queue) == 1
