"""What the Python client keeps over a drop."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from api.client.room import Room
from domain.notification import NOTIFICATION, SendNotification
from infra.runtime import SYSTEM, Runtime
from projections.frames import Ev
from tests.api.served import WAIT_S, Served, served

pytestmark = pytest.mark.services


@pytest.fixture
async def server(projected: Runtime) -> AsyncIterator[Served]:
    async with served(projected) as running:
        yield running


async def event(room: Room, kind: str) -> Ev:
    async with asyncio.timeout(WAIT_S):
        while True:
            frame = await anext(room)
            if isinstance(frame, Ev) and frame.type == kind:
                return frame


async def test_notifications_during_a_drop_are_not_missed(server: Served) -> None:
    ann = await server.person("ann")
    async with ann.connect() as live:
        room = await live.join(f"user:{ann.me.id}")
        live.drop(away_s=0.3)
        send = SendNotification(user=ann.me.id, kind="test", title="T", at=server.runtime.now())
        await server.runtime.execute(SYSTEM, NOTIFICATION, server.runtime.new_id(), send)
        assert (await event(room, "notification.sent")).by is None


async def test_a_lock_is_renewed_and_a_status_said_again(server: Served) -> None:
    ann, bob = await server.person("ann"), await server.person("bob")
    name = await server.room(ann, bob)
    async with ann.connect() as hers, bob.connect() as his:
        room = await hers.join(name)
        await his.join(name, follow=False, location="sheet")
        await his.status("busy")
        await his.lock(name, "desk", ttl_ms=5_000)
        his.drop()
        await event(room, "lock.renewed")
        async with asyncio.timeout(WAIT_S):
            while _shown(room, bob.me.id) != [("busy", "sheet", False)]:
                await anext(room)


def _shown(room: Room, user: object) -> list[tuple[str, str, bool]]:
    people = [one for one in room.presence.people if one.user == user]
    return [(one.status, one.location, one.away) for one in people]
