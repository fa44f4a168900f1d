"""Two who mind their own business in a room: one acts, the other watches, neither may notice."""

import asyncio
import statistics
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import uuid4

import msgspec
from websockets.asyncio.client import ClientConnection

from tests.faults.chain import Chain, Json

QUIET = 30  # acts before the attack, to compare with
UNDER = 5  # acts at least during it
PAUSE_S = 0.01
LATE_S = 5.0  # no act takes so long, whatever happens: on a shared machine, much more than it does
TIMES = 20  # slower than in quiet times half of them may be, and
SPARE_S = 0.2  # by so much: the attackers need the same machine


class Pair:
    """Ann's and Bob's connections, both in the room; the last that Bob heard was `joined`."""

    def __init__(self, ann: ClientConnection, bob: ClientConnection, joined: Json) -> None:
        self._ann, self._bob, self._room = ann, bob, joined["room"]
        self._chain = Chain(self._room)
        self._chain.take(joined)
        self._answers: dict[str, asyncio.Future[Json]] = {}
        self._seen: list[int] = []  # Ann's acts, as Bob saw them
        self._arrived = asyncio.Condition()
        self._acted: list[int] = []  # as they were acknowledged
        self._took: list[float] = []  # seconds from the act to Bob

    async def listen_to_answers(self) -> None:
        async for text in self._ann:
            frame: Json = msgspec.json.decode(text)
            if waits := self._answers.pop(frame.get("re", ""), None):
                waits.set_result(frame)

    async def watch(self) -> None:
        async for text in self._bob:
            frame: Json = msgspec.json.decode(text)
            if self._chain.take(frame) and frame["data"].get("kind") == "work":
                async with self._arrived:
                    self._seen.append(frame["pos"])
                    self._arrived.notify_all()

    async def act(self) -> None:
        started, id_ = asyncio.get_running_loop().time(), str(uuid4())
        answer = self._answers[id_] = asyncio.get_running_loop().create_future()
        frame = {"op": "act", "id": id_, "room": self._room, "kind": "work"}
        await self._ann.send(msgspec.json.encode(frame), text=True)
        async with asyncio.timeout(LATE_S):
            ack = await answer
            assert ack["op"] == "ack", ack
            async with self._arrived:
                await self._arrived.wait_for(lambda: self._seen[-1:] == [ack["pos"]])
        self._took.append(asyncio.get_running_loop().time() - started)
        self._acted.append(ack["pos"])

    async def work(self, attacked: asyncio.Event) -> None:
        """Until the attack is over, and a few acts more."""
        while not attacked.is_set() or len(self._took) < QUIET + UNDER:
            await self.act()
            await asyncio.sleep(PAUSE_S)

    def check(self) -> None:
        """All of it was seen once, in order, and about as soon as in quiet."""
        assert self._seen == self._acted
        quiet, under = map(statistics.median, (self._took[:QUIET], self._took[QUIET:]))
        assert under < TIMES * quiet + SPARE_S, f"{under:.3f} s, in quiet {quiet:.3f} s"


@asynccontextmanager
async def undisturbed(
    ann: ClientConnection, bob: ClientConnection, joined: Json
) -> AsyncGenerator[None]:
    """Whatever is done inside, Ann and Bob work on."""
    pair, over = Pair(ann, bob, joined), asyncio.Event()
    listening = [
        asyncio.create_task(pair.listen_to_answers()),
        asyncio.create_task(pair.watch()),
    ]
    try:
        for _ in range(QUIET):
            await pair.act()
        working = asyncio.create_task(pair.work(over))
        try:
            yield
        finally:
            over.set()
            await working
    finally:
        for task in listening:
            task.cancel()
        for ended in await asyncio.gather(*listening, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
    pair.check()
