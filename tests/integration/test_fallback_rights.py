"""Whoever reads without a socket and loses a right keeps nothing by it, whatever they ask next."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import UUID

import pytest

from api.realtime import protocol as p
from api.tokens import read
from domain.lock import LOCK, AcquireLock, Lock, lock_stream
from domain.participation import LeaveReason, Left
from domain.project import PROJECT, ChangeMemberRole, ProjectRole
from domain.registry import tag_of
from domain.rooms import OPS
from domain.user import USER, ChangeRole, DeactivateUser, Role
from infra import accounts
from infra.runtime import SYSTEM
from projections.read import wait_for
from tests.integration.conftest import refusal
from tests.integration.reading import Json, Reader, Room, asking, http, node
from tests.workers.office import until
from workers.denied import Denied
from workers.dismissed import Dismissed

TTL_MS = 300_000  # no lock here ends by itself


async def lock(room: Room, resource: str) -> Lock:
    return (await room.live.runtime.load(LOCK, lock_stream(room.project, resource))).state


async def demote(room: Room) -> None:
    change = ChangeMemberRole(user=room.bob, role=ProjectRole.VIEWER)
    await room.live.runtime.execute(SYSTEM, PROJECT, room.project, change, project=room.project)


async def remove(room: Room) -> None:
    await room.remove_bob()


async def deactivate(room: Room) -> None:
    await room.live.runtime.execute(SYSTEM, USER, room.bob, DeactivateUser())


async def sign_out(room: Room, reader: Reader) -> None:
    """As who logged in, and logs out."""
    runtime = room.live.runtime
    session = read(reader.token, runtime.keys, runtime.now()).sid
    expires = runtime.now() + timedelta(hours=1)
    await accounts.set_hash(runtime.db, room.bob, "a hash")
    grant = accounts.Grant(session, room.bob)
    assert await accounts.issue(runtime.db, grant, "a hash", expires, accounts.Device())
    answer = await room.client.post("/api/v1/auth/logout", headers=reader.headers)
    assert answer.status_code == 204, answer.text


async def polled(reader: Reader) -> UUID:
    """The participation of who asks once, and not again."""
    return UUID((await reader.poll(wait=0))["frames"][0]["participation"])


async def left(room: Room) -> list[tuple[UUID, LeaveReason]]:
    found = await room.live.runtime.store.read(0, 10_000, motion=False, types=[tag_of(Left)])
    return [(one.stream, one.event.reason) for one in found if isinstance(one.event, Left)]


async def leaves(room: Room, look: Dismissed, participation: UUID) -> LeaveReason:
    """Why it has left, once looks have found that."""

    async def why() -> LeaveReason | None:
        await look(0.0)
        return dict(await left(room)).get(participation)

    return (await until(why)) or LeaveReason.DROPPED


async def wanting(room: Room, reader: Reader) -> Json:
    """Ann's lock of "hers", for which the reader waits; the reader holds "mine" and "kept"."""
    ann = await room.socket()
    held = await ann.ask("lock", room=room.name, resource="hers", ttl=TTL_MS)
    assert (await reader.do("lock", resource="hers", wait=True, ttl=TTL_MS))["queued"] == 1
    await reader.do("lock", resource="mine", ttl=TTL_MS)
    await reader.do("lock", resource="kept", ttl=TTL_MS, keep=True)
    return held["lock"]


async def nothing_left(room: Room) -> bool:
    mine, kept = await lock(room, "mine"), await lock(room, "kept")
    return not ((await lock(room, "hers")).queue or mine.holder or kept.holder)


async def looking(room: Room, look: Callable[[float], Awaitable[None]]) -> None:
    """Until a look that found everything has left nothing."""

    async def done() -> bool:
        await look(0.0)
        return await nothing_left(room)

    await until(done)


@pytest.mark.parametrize("lose", [demote, remove, deactivate])
async def test_who_may_not_lock_any_more_holds_nothing_and_waits_for_nothing(
    room: Room, lose: Callable[[Room], Awaitable[None]]
) -> None:
    bob, denied = room.reader(), Denied(room.live.runtime)
    await bob.poll(wait=0)
    await wanting(room, bob)
    await denied(0.0)
    assert (await lock(room, "mine")).holder == room.bob, "who may lock keeps it"
    await lose(room)
    await looking(room, denied)
    assert (await lock(room, "hers")).holder == room.ann


async def test_a_lock_does_not_come_to_who_was_demoted(room: Room) -> None:
    bob, denied = room.reader(), Denied(room.live.runtime)
    async with bob.stream() as stream:
        await stream.op("joined")
        held = await wanting(room, bob)
        await demote(room)
        ann = await room.socket()
        unlock = {"room": room.name, "resource": "hers", "token": held["token"]}
        await ann.ask("unlock", **unlock)
        assert (await lock(room, "hers")).holder == room.bob, "it came before anybody looked"
        await looking(room, denied)
    assert (await lock(room, "hers")).holder is None


async def test_an_admin_locks_without_being_a_member(room: Room) -> None:
    bob, runtime = room.reader(), room.live.runtime
    await bob.poll(wait=0)
    await runtime.execute(SYSTEM, USER, room.bob, ChangeRole(role=Role.ADMIN))
    await wanting(room, bob)
    await remove(room)
    await wait_for(runtime, "queries", await runtime.store.head())
    await Denied(runtime)(0.0)
    assert (await lock(room, "mine")).holder == room.bob
    await runtime.execute(SYSTEM, USER, room.bob, ChangeRole(role=Role.MEMBER))
    await looking(room, Denied(runtime))


async def test_a_stream_that_ends_for_good_gives_up_its_locks_itself(room: Room) -> None:
    """On another node than that which took them."""
    bob, before = room.reader(), room.client
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(node(room.live.runtime.settings))
        bob.client = await stack.enter_async_context(asking(http(other)))
        await bob.poll(wait=0)
        await wanting(room, bob)
        bob.client = before
        async with bob.stream() as stream:
            await stream.op("joined")
            await sign_out(room, bob)
            await stream.ended()

            async def given_up() -> bool:
                mine = await lock(room, "mine")
                return mine.holder is None and not (await lock(room, "hers")).queue

            async with asyncio.timeout(5):
                await until(given_up)
    assert (await lock(room, "kept")).holder == room.bob, "as after any leave"


async def test_who_is_removed_while_they_read_keeps_no_lock(room: Room) -> None:
    """As on a socket, and without waiting for any look."""
    bob = room.reader()
    async with bob.stream() as stream:
        await stream.op("joined")
        await wanting(room, bob)
        await remove(room)
        await stream.ended()
    async with asyncio.timeout(5):
        await until(lambda: nothing_left(room))


async def test_without_a_socket_one_has_no_more_locks_than_with_one(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast one asks, and whether one holds them or waits."""
    monkeypatch.setattr(p, "MAX_LOCKS", 6)
    bob = room.reader()
    await bob.poll(wait=0)
    await wanting(room, bob)
    asked = [bob.post("lock", resource=f"r{number}", ttl=TTL_MS) for number in range(8)]
    answers = await asyncio.gather(*asked)
    refused = [refusal(one) for one in answers if one.status_code != 200]
    assert refused == ["409 lock.too_many"] * 5
    again = await bob.do("lock", resource="mine", ttl=TTL_MS)
    assert again["lock"]["holder"] == str(room.bob), "what one has is not one more"


async def test_leaving_gives_up_a_lock_however_many_the_project_has(room: Room) -> None:
    runtime, bob = room.live.runtime, room.reader()
    await bob.poll(wait=0)

    async def acquire(resource: str) -> None:
        command = AcquireLock(
            project=room.project,
            resource=resource,
            holder=room.ann,
            participation=runtime.new_id(),
            ttl_ms=TTL_MS,
            now=runtime.now(),
        )
        stream = lock_stream(room.project, resource)
        await runtime.execute(SYSTEM, LOCK, stream, command, project=room.project)

    await asyncio.gather(*(acquire(f"a{number}") for number in range(501)))
    await bob.do("lock", resource="b", ttl=TTL_MS)
    await bob.do("leave")
    assert (await lock(room, "b")).holder is None


@pytest.mark.parametrize("lose", [remove, deactivate])
async def test_who_loses_the_room_between_two_polls_is_out_of_it(
    room: Room, lose: Callable[[Room], Awaitable[None]]
) -> None:
    participation, look = await polled(room.reader()), Dismissed(room.live.runtime)
    staying = await polled(room.reader(room.ann))
    for _ in range(3):
        await look(0.0)
    await lose(room)
    assert await leaves(room, look, participation) is LeaveReason.REMOVED
    assert staying not in dict(await left(room))


async def test_who_logs_out_between_two_polls_is_out_of_the_room(room: Room) -> None:
    bob, look = room.reader(), Dismissed(room.live.runtime)
    participation, elsewhere = await polled(bob), await polled(room.reader())
    await wanting(room, bob)
    await sign_out(room, bob)
    assert await leaves(room, look, participation) is LeaveReason.EXPIRED
    assert elsewhere not in dict(await left(room)), "that is another log-in"
    assert not (await lock(room, "hers")).queue
    assert (await lock(room, "mine")).holder is None
    assert (await lock(room, "kept")).holder == room.bob, "as after any leave"


async def test_who_logs_in_again_stays_who_they_were(room: Room) -> None:
    bob, look = room.reader(), Dismissed(room.live.runtime)
    participation = await polled(bob)
    await sign_out(room, bob)
    bob.token = room.live.token(room.bob)
    assert await polled(bob) == participation
    for _ in range(3):
        await look(0.0)
    assert await polled(bob) == participation


async def test_who_is_no_operator_any_more_leaves_the_room_of_operations(room: Room) -> None:
    look, runtime = Dismissed(room.live.runtime), room.live.runtime
    eve = await room.live.user("eve", Role.OPERATOR)
    reader = room.reader(eve)
    reader.room = OPS
    participation = await polled(reader)
    await runtime.execute(SYSTEM, USER, eve, ChangeRole(role=Role.MEMBER))
    assert await leaves(room, look, participation) is LeaveReason.REMOVED
