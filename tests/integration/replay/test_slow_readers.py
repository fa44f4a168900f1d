"""A replay goes no faster than it is read, and takes nothing meanwhile."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

import msgspec

from api.realtime import protocol as p
from api.realtime.replay import Replays
from domain.access import Who
from domain.activity import ACTIVITY, RecordActivity
from domain.user import Role
from infra.runtime import SYSTEM, Runtime
from projections.replay.session import FASTEST
from tests.api.test_rooms import Peer
from tests.integration.replay.past import Past, ended, positions
from tests.integration.sockets import dawdler


class Reader(Peer):
    """Stops reading after `most` frames, until it is told to go on."""

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self.most = most
        self._news = asyncio.Event()

    def send(self, frame: bytes) -> None:
        super().send(frame)
        self.paused = self.most is not None and len(self.frames) >= self.most
        self._news.set()

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not done():
                self._news.clear()
                await self._news.wait()

    @property
    def done(self) -> bool:
        return self.frames[-1]["op"] == "ended"


async def test_who_reads_slowly_is_shown_it_slowly(past: Past) -> None:
    runtime, who = past.live.runtime, Who(past.ann, Role.MEMBER)
    slow, fast = Reader(most=3), Reader()
    asked = p.Replay(project=past.project, speed=FASTEST)
    held, other = Replays(runtime, "", slow), Replays(runtime, "", fast)
    await held.open(who, asked)
    await slow.until(lambda: slow.paused)
    await other.open(who, asked)
    await fast.until(lambda: fast.done)
    assert len(slow.frames) == 3  # while the other was shown everything
    slow.paused, slow.most = False, None
    held.drained()
    await slow.until(lambda: slow.done)
    assert slow.positions == fast.positions


async def test_it_waits_without_the_database_and_never_outlives_its_connection(past: Past) -> None:
    runtime, who = past.live.runtime, Who(past.ann, Role.MEMBER)
    peer = Reader()
    replays = Replays(runtime, "", peer)
    await replays.open(who, p.Replay(project=past.project))
    await peer.until(lambda: len(peer.frames) == 4)  # and then nothing for an hour
    await peer.until(lambda: all_free(runtime))  # others borrow for a moment, a session would keep
    replays.close()
    replays.drained()
    await replays.open(who, p.Replay(project=past.project))
    assert len(peer.frames) == 4


def all_free(runtime: Runtime) -> bool:
    stats = runtime.db.get_stats()
    return stats["pool_available"] == stats["pool_size"]


async def test_a_busy_session_waits_for_a_slow_reader_and_is_shown_whole(past: Past) -> None:
    await keep_busy(past)
    fast, who = Reader(), Who(past.ann, Role.MEMBER)
    asked = p.Replay(project=past.project, speed=FASTEST)
    async with dawdler(past.live, past.ann) as slow:
        await slow.say("replay", project=past.project, speed=FASTEST)
        joined = await slow.until(lambda frame: frame["op"] == "joined" and "replay" in frame)
        (playing,) = (one for one in asyncio.all_tasks() if one.get_name() == joined["room"])
        await Replays(past.live.runtime, "", fast).open(who, asked)
        await fast.until(lambda: fast.done)
        assert not playing.done()
        seen = positions(await ended(slow, joined["room"]))
    assert len(seen) > 1_200
    assert seen == fast.positions[1:-1]  # between `joined` and `ended`


async def keep_busy(past: Past) -> None:
    """More than two pages of events, and more than all buffers between two processes hold."""
    act = RecordActivity(room=past.room, kind="n", data=msgspec.Raw(b'"' + b"x" * 4_000 + b'"'))
    stream, runtime = uuid4(), past.live.runtime
    for _ in range(12):
        await asyncio.gather(
            *(
                runtime.execute(SYSTEM, ACTIVITY, stream, act, project=past.project, blind=True)
                for _ in range(100)
            )
        )
