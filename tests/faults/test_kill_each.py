"""Every process is killed while people act: what was acknowledged is there, once, in order."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from api.client.client import Client
from api.client.frames import data
from api.client.live import Live
from api.client.room import Room
from api.realtime import protocol as p
from api.seed import PASSWORD, project_id
from projections.frames import Ev
from tests.e2e.running import Formula, formula
from tests.infra.until import until

pytestmark = [
    pytest.mark.services,
    pytest.mark.faults,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("formula up"),  # one at a time: they need the machine for themselves
]

ROUNDS = 10 if os.environ.get("FORMULA_FAULTS") == "full" else 1
ACTORS = 4
PAUSE_S = 0.02  # of each actor: who is away for more than 10,000 frames gets a snapshot instead
BETWEEN = 40  # actions acknowledged between two kills
SETTLED_S = 60.0
KIND = "kill.note"
VICTIMS = {
    "projector": ("projections.main",),
    "api": ("api.main",),
    "worker": ("workers.main worker",),
    "scheduler": ("workers.main scheduler",),
    "valkey": ("valkey-server",),
    "postgres": ("bin/postgres", "-D"),
}


class Acting:
    """People who act at a bounded rate, and what was acknowledged to them."""

    def __init__(self, live: Live, room: str) -> None:
        self.acknowledged: dict[int, int] = {}  # position by number
        self._live, self._room, self._next = live, room, iter(range(1_000_000))
        self._stopping = False
        self.actors = [asyncio.create_task(self.act()) for _ in range(ACTORS)]

    async def act(self) -> None:
        while not self._stopping:
            number = next(self._next)
            ack = await self._live.act(self._room, KIND, {"n": number})
            assert ack.pos is not None
            self.acknowledged[number] = ack.pos
            await asyncio.sleep(PAUSE_S)

    async def more(self, count: int) -> None:
        """Return once so many more were acknowledged."""
        wanted = len(self.acknowledged) + count
        await until(lambda: self._refused() or len(self.acknowledged) >= wanted, SETTLED_S)
        await asyncio.gather(*self._refused())

    def _refused(self) -> list[asyncio.Task[None]]:
        return [actor for actor in self.actors if actor.done()]

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.gather(*self.actors)


async def watch(room: Room, seen: list[tuple[int, int]]) -> None:
    """Note number and position of every action, as they come; a snapshot would be a loss."""
    async for frame in room:
        assert not (isinstance(frame, p.Joined) and frame.mode == "snapshot")
        if isinstance(frame, Ev) and frame.type == "activity.recorded":
            seen.append((data(frame)["data"]["n"], frame.pos))


@pytest.fixture
def running() -> Iterator[Formula]:
    with formula(RATE_LIMIT_ACTIONS_PER_MINUTE="0") as one:
        one.up("--no-demo")
        assert one.call("seed").returncode == 0
        yield one


async def test_whoever_is_killed_nothing_acknowledged_is_lost_or_doubled(running: Formula) -> None:
    name, seen = f"project:{project_id('tour')}", list[tuple[int, int]]()
    async with connected(running, "tour-ann") as hers, connected(running, "tour-bob") as his:
        watching = asyncio.create_task(watch(await his.join(name), seen))
        await hers.join(name, follow=False)
        acting = Acting(hers, name)
        for _ in range(ROUNDS):
            for words in VICTIMS.values():
                await acting.more(BETWEEN)
                await kill(running, words)
        await acting.more(BETWEEN)
        await acting.stop()
        wanted = sorted(acting.acknowledged.items(), key=lambda item: item[1])
        await until(lambda: watching.done() or len(seen) >= len(wanted), SETTLED_S)
        if watching.done():
            watching.result()
        watching.cancel()
    assert seen == wanted
    async with Client(running.url) as auditor:
        await auditor.login("audrey@demo.formula", PASSWORD)
        trail = await pages(
            auditor, "/audit", type="activity.recorded.v1", min_position=wanted[-1][1]
        )
        assert noted(trail[::-1]) == wanted
        (stream,) = {row["subject"] for row in trail if row["data"]["kind"] == KIND}
        assert noted(await pages(auditor, f"/audit/streams/{stream}")) == wanted


@asynccontextmanager
async def connected(running: Formula, name: str) -> AsyncGenerator[Live]:
    async with Client(running.url) as client:
        await client.login(f"{name}@demo.formula", PASSWORD)
        async with client.connect() as live:
            yield live


async def kill(running: Formula, words: Sequence[str]) -> None:
    """Kill it, and return once another is in its place and everything is ready."""
    pid = running.pid(*words)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: running.pid(*words) not in {None, pid}, SETTLED_S)
    await until(running.is_ready, SETTLED_S)


async def pages(client: Client, path: str, **query: object) -> list[Any]:
    items, cursor = list[Any](), None
    while True:
        body = (await client.rest.get(path, limit=200, cursor=cursor, **query)).body
        items += body["items"]
        cursor = body["next"]
        if cursor is None:
            return items


def noted(rows: Sequence[Any]) -> list[tuple[int, int]]:
    """Number and position of the actions among the rows, in their order."""
    own = [row for row in rows if row["data"].get("kind") == KIND]
    return [(row["data"]["data"]["n"], row["position"]) for row in own]
