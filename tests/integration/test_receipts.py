"""Receipts over real sockets: told often, stored seldom, shown to the room, counted for oneself."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from api.realtime import receipts
from domain.project import ProjectRole
from domain.receipt import RECEIPT, receipt_stream
from infra.runtime import Runtime
from projections.read import reading, wait_for
from projections.receipts import UnreadRow, unread_of
from tests.integration.conftest import Api, Place
from tests.integration.sockets import Json, Live, Socket, live_gateway


@pytest.fixture
def every_s() -> float:
    """Between two steps of a receipt."""
    return 0.1


@pytest.fixture
async def live(
    projected: Runtime, every_s: float, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Live]:
    monkeypatch.setattr(receipts, "EVERY_S", every_s)
    async with live_gateway(projected) as running:
        yield running


class Pair:
    """Ann and Bob in a project's room, with some acts of Ann's."""

    def __init__(self, live: Live, people: tuple[UUID, UUID], room: str) -> None:
        self.live, self.room = live, room
        self.ann, self.bob = people

    async def come(self) -> tuple[Socket, Socket, list[int]]:
        one, two = await self.live.open(self.ann), await self.live.open(self.bob)
        await one.ask("join", room=self.room)
        await two.ask("join", room=self.room)
        acts = [(await one.ask("act", room=self.room, kind="n"))["pos"] for _ in range(5)]
        for _ in acts:
            await two.event("activity.recorded")
        return one, two, acts

    async def unread(self, user: UUID) -> UnreadRow:
        """Once everything is projected."""
        runtime = self.live.runtime
        head = await runtime.store.head()
        await wait_for(runtime, "queries", head)
        async with reading(runtime, min_position=head, group="live") as db:
            [row] = [row for row in await unread_of(db, user) if row.room == self.room]
        return row


@pytest.fixture
async def pair(live: Live) -> Pair:
    people = await live.user("ann"), await live.user("bob")
    project = await live.project(people[0])
    await live.add(project, people[1], ProjectRole.CONTRIBUTOR)
    return Pair(live, people, f"project:{project}")


def moved(frame: Json) -> bool:
    return frame["op"] == "presence" and "seen" in frame


@pytest.mark.parametrize("every_s", [3_600.0])
async def test_a_scroll_is_one_step_that_the_others_are_shown(pair: Pair) -> None:
    one, two, acts = await pair.come()
    for pos in (*acts, acts[1], 10**15):
        await two.say("seen", room=pair.room, pos=pos)
    await two.say("ping")
    await two.until(lambda frame: frame["op"] == "pong")  # all of them were heard
    await pair.live.gateway.hub.receipts.store()
    told = await one.until(moved)
    assert told["seen"] == [{"user": str(pair.bob), "pos": acts[-1]}], "no further than the room"
    runtime, stream = pair.live.runtime, receipt_stream(pair.bob, pair.room)
    assert (await runtime.load(RECEIPT, stream)).version == 1
    joined = await (await pair.live.open(pair.ann)).ask("join", room=pair.room)
    assert joined["receipts"] == told["seen"]


async def test_what_is_unread_outlives_the_gateway(pair: Pair) -> None:
    one, two, acts = await pair.come()
    before = (await pair.unread(pair.bob)).unread
    await two.say("seen", room=pair.room, pos=acts[2])
    await one.until(moved)
    row = await pair.unread(pair.bob)
    assert (row.seen, row.unread) == (acts[2], 2)
    assert before > len(acts), "the project's own events count as well"
    assert (await pair.unread(pair.ann)).unread == before


async def test_what_was_seen_last_is_stored_when_the_node_goes(pair: Pair) -> None:
    _, two, acts = await pair.come()
    await two.say("seen", room=pair.room, pos=acts[3])
    await two.ask("leave", room=pair.room)  # it was heard
    await pair.live.gateway.drain()
    assert (await pair.unread(pair.bob)).seen == acts[3]


async def test_only_who_is_in_the_room_sees_it(pair: Pair) -> None:
    one, _, acts = await pair.come()
    eve = await pair.live.open(await pair.live.user("eve"))
    refused = await eve.ask("seen", room=pair.room, pos=acts[0])
    assert refused["code"] == "room.not_joined"
    bad = await one.ask("seen", room=pair.room, pos=-1)
    assert bad["code"] == "frame.invalid"


async def test_rest_tells_the_same(place: Place, api: Api) -> None:
    room = f"project:{place.project}"
    comment = await place.boss.do("POST", f"/tasks/{place.task}/comments", {"body": "Hm"})
    place.ann.position = place.boss.position
    await wait_for(api.runtime, "queries", place.ann.position)
    before = await unread_in(place, room)
    await place.ann.do("POST", "/realtime/seen", {"room": room, "pos": comment["position"] - 1})
    assert (await unread_in(place, room))["unread"] == 1 < before["unread"]
    await place.ann.do("POST", "/realtime/seen", {"room": room, "pos": 10**15})
    after = await unread_in(place, room)
    assert (after["seen"], after["unread"]) == (comment["position"], 0)
    again = await place.ann.do("POST", "/realtime/seen", {"room": room, "pos": 1})
    assert again["position"] is None


async def test_rest_is_for_rooms_that_one_may_be_in(place: Place, api: Api) -> None:
    eve = await api.as_("member")
    body = {"room": f"project:{place.project}", "pos": 1}
    assert await eve.refused("POST", "/realtime/seen", body) == "403 access.denied"
    another = {"room": f"user:{place.ann.id}", "pos": 1}
    assert await eve.refused("POST", "/realtime/seen", another) == "403 access.denied"
    assert (await eve.get("/realtime/unread"))["items"] == []


async def unread_in(place: Place, room: str) -> Json:
    items = (await place.ann.get("/realtime/unread"))["items"]
    return next(one for one in items if one["room"] == room)
