"""Old frames of rooms go while gateways run: who comes back gets all of what they missed, or a
snapshot."""

import asyncio
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from uuid import UUID

import pytest

from domain.project import ProjectRole
from infra.runtime import SYSTEM, Runtime
from infra.settings import child_environment
from projections import room_log, upkeep
from projections.generations import serving
from projections.read import reading, wait_for
from projections.room_log import heads, missed, prune
from tests.integration.sockets import Live, Socket, live_gateway
from tests.integration.test_gateway import forgotten

KEPT = 5  # frames of a room, however old

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def live(projected: Runtime, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Live]:
    monkeypatch.setattr(room_log, "RECENT", KEPT)
    monkeypatch.setattr(room_log, "FRAMES", 3)  # several pages
    monkeypatch.setattr(room_log, "ROOMS", 2)
    async with live_gateway(projected) as running:
        yield running


class Story:
    """One who acts in a room, and the positions of what was done."""

    def __init__(self, live: Live, one: Socket, room: str, reader: UUID) -> None:
        self.live, self.one, self.room, self.reader = live, one, room, reader
        self.places: list[int] = []

    async def act(self, times: int) -> None:
        for n in range(times):
            ack = await self.one.ask("act", room=self.room, kind="n", data=n)
            self.places.append(ack["pos"])
        await wait_for(self.live.runtime, "live", self.places[-1], 5.0)

    async def prune(self, upto: int) -> int:
        last = self.places[-1] if self.places else None
        async with reading(self.live.runtime, min_position=last, group="live") as db:
            return sum([gone async for gone in prune(db, upto)])

    async def leave(self) -> None:
        """Nothing is in the gateway's memory then: the log answers."""
        await self.one.connection.close()
        await forgotten(self.live)

    async def resume(self, after: int) -> tuple[str, list[int]]:
        """How somebody came back, and the frames up to now."""
        back = await self.live.open(self.reader)
        joined = await back.ask("join", room=self.room, after=after)
        found = list[int]()
        if joined["mode"] == "resume":
            while (found or [after])[-1] < self.places[-1]:
                event = await back.event("activity.recorded")
                assert event["prev"] == (found or [after])[-1]
                found.append(event["pos"])
        await back.connection.close()
        await forgotten(self.live)
        return joined["mode"], found


@pytest.fixture
async def story(live: Live) -> Story:
    ann, bob = await live.user("ann"), await live.user("bob")
    project = await live.project(ann)
    await live.add(project, bob, ProjectRole.CONTRIBUTOR)
    one = await live.open(ann)
    await one.ask("join", room=f"project:{project}")
    return Story(live, one, f"project:{project}", bob)


async def test_below_the_edge_is_a_snapshot_and_above_it_exactly_what_was_missed(
    story: Story,
) -> None:
    await story.act(12)
    places = story.places
    assert await story.prune(places[5]) > 0
    await story.leave()
    assert await story.resume(places[4]) == ("snapshot", [])
    assert await story.resume(places[5]) == ("resume", places[6:])
    assert await story.resume(places[9]) == ("resume", places[10:])
    assert await story.resume(places[-1]) == ("resume", [])


async def test_a_room_long_quiet_has_its_newest_frames_and_its_head(story: Story) -> None:
    await story.act(12)
    places = story.places
    await story.prune(places[-1])
    async with reading(story.live.runtime, group="live") as db:
        assert await heads(db, [story.room]) == {story.room: places[-1]}
        frames = await missed(db, story.room, 0, 100)
        assert [one.pos for one in frames] == places[-KEPT:]
    await story.leave()
    assert await story.resume(places[-KEPT - 2]) == ("snapshot", [])
    assert await story.resume(places[-KEPT - 1]) == ("resume", places[-KEPT:])


async def test_who_is_there_misses_nothing_while_frames_go(story: Story) -> None:
    """And who comes meanwhile has a chain without a hole, or a snapshot."""
    there = await story.live.open(story.reader)
    await there.ask("join", room=story.room)
    acting = asyncio.create_task(story.act(60))
    while not acting.done():
        await story.prune(max(story.places[:-KEPT], default=0))
        for place in story.places[-2 * KEPT :: 3]:
            await whole_above(story, place)
    await acting
    seen = [await there.event("activity.recorded") for _ in range(60)]
    assert [one["pos"] for one in seen] == story.places
    assert all(later["prev"] == earlier["pos"] for earlier, later in pairwise(seen))
    await story.prune(story.places[-1])
    async with reading(story.live.runtime, group="live") as db:
        assert len(await missed(db, story.room, 0, 100)) == KEPT


async def test_between_two_pages_no_log_has_a_hole(story: Story) -> None:
    await story.act(20)
    pages = 0
    async with reading(story.live.runtime, group="live") as db:
        async for gone in prune(db, story.places[-1]):
            pages += gone > 0
            for place in story.places:
                await whole_above(story, place)
    assert pages >= 3


async def whole_above(story: Story, after: int) -> None:
    """What the log shows above a position is all there is, or it is seen that its start is gone."""
    known = [place for place in story.places if place > after]
    async with reading(story.live.runtime, group="live") as db:
        frames = await missed(db, story.room, after, 1_000)
    assert all(later.prev == earlier.pos for earlier, later in pairwise(frames))
    if not frames or frames[0].prev <= after:
        found = [one.pos for one in frames]
        assert found[: len(known)] == known[: len(found)]


async def test_what_is_built_anew_has_the_same_chain_and_is_pruned_in_its_turn(
    story: Story,
) -> None:
    await story.act(12)
    places, runtime = story.places, story.live.runtime
    await story.prune(places[5])
    before = await chain(runtime, story.room)
    await story.act(1)
    schema = await upkeep.ask_rebuild(runtime, SYSTEM, "rooms")
    env = child_environment(runtime.settings)
    builder = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "projections.building", schema, env=env
    )
    async with asyncio.timeout(30):
        assert await builder.wait() == 0
    async with runtime.db.connection() as db:
        assert schema in await serving(db)
    rebuilt = await chain(runtime, story.room)
    assert rebuilt[-len(before) - 1 : -1] == before
    assert len(rebuilt) > len(before) + 1, "what was pruned is there again"
    await story.act(1)
    await story.prune(places[5])
    assert (await chain(runtime, story.room))[: len(before)] == before
    await story.leave()
    assert await story.resume(places[4]) == ("snapshot", [])
    assert await story.resume(places[5]) == ("resume", places[6:])


async def chain(runtime: Runtime, room: str) -> list[tuple[int, int, bytes]]:
    head = await runtime.store.head()
    async with reading(runtime, min_position=head, group="live") as db:
        return [(one.prev, one.pos, one.frame) for one in await missed(db, room, 0, 1_000)]
