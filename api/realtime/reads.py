"""What newcomers to rooms need of Postgres: read together for all who come at once."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from heapq import heapify, heappop, heappush

from infra.gathered import Gathered
from infra.runtime import Runtime
from projections.read import BehindPosition, reading, wait_for
from projections.room_log import MAX_MISSED, LoggedFrame, heads, missed
from projections.snapshots import Snapshot, Wanted, snapshots

HEARD_S = 0.25  # without Redis nothing is heard: then the log's readers are asked
SHOWN_S = 1.0  # how long a join waits to see itself in its snapshot


class Progress:
    """How far the rooms' projector has come, as what was heard of it tells."""

    def __init__(self) -> None:
        self._position = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._number = 0  # tells apart who waits for the same

    def reached(self, position: int) -> None:
        self._position = max(self._position, position)
        while self._waiting and self._waiting[0][0] <= self._position:
            _, _, waiter = heappop(self._waiting)
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, position: int, timeout_s: float) -> bool:
        """Whether it was heard of in time."""
        if position <= self._position:
            return True
        waiter = asyncio.get_running_loop().create_future()
        self._number += 1
        heappush(self._waiting, (position, self._number, waiter))
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            self._waiting = [one for one in self._waiting if not one[2].done()]
            heapify(self._waiting)
            return False
        return True


class Reads:
    """One query for all that ask in a turn of the loop, or while another one runs."""

    def __init__(self, runtime: Runtime) -> None:
        self.progress = Progress()
        self._runtime = runtime
        self._snapshots = Gathered(self._read_snapshots)
        self._heads = Gathered(self._read_heads, most=1_000)
        self._missed = Gathered(self._read_missed, most=1)
        self._log_head = Gathered(self._read_log_head)

    async def shown(self, position: int) -> None:
        """Wait a little until a snapshot shows what was stored at `position`."""
        if not await self.progress.wait(position, HEARD_S):
            with suppress(BehindPosition):
                await wait_for(self._runtime, "live", position, SHOWN_S)

    async def snapshot(self, wanted: Wanted) -> Snapshot:
        return await self._snapshots.ask(wanted)

    async def head(self, room: str) -> int:
        """The newest position of a room; 0: nothing has happened there."""
        return await self._heads.ask(room)

    async def log_head(self) -> int:
        return await self._log_head.ask(None)

    async def missed(self, room: str, after: int) -> Sequence[LoggedFrame] | None:
        """The room's frames above `after`; None for more than MAX_MISSED."""
        frames = await self._missed.ask((room, after))
        return None if len(frames) > MAX_MISSED else frames

    async def _read_snapshots(self, wanted: Sequence[Wanted]) -> Mapping[Wanted, Snapshot]:
        async with reading(self._runtime) as db:
            return await snapshots(db, wanted)

    async def _read_heads(self, rooms: Sequence[str]) -> Mapping[str, int]:
        async with reading(self._runtime) as db:
            return dict.fromkeys(rooms, 0) | await heads(db, rooms)

    async def _read_missed(
        self, asked: Sequence[tuple[str, int]]
    ) -> Mapping[tuple[str, int], Sequence[LoggedFrame]]:
        """One at a time: each may be long."""
        async with reading(self._runtime) as db:
            return {
                (room, after): await missed(db, room, after, MAX_MISSED + 1)
                for room, after in asked
            }

    async def _read_log_head(self, asked: Sequence[None]) -> Mapping[None, int]:
        return dict.fromkeys(asked, await self._runtime.store.head())
