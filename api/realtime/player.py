"""Plays a replay: the scene of a moment, then what happened, as far apart as it was."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import datetime
from math import inf
from uuid import UUID

import msgspec
import structlog

from api.realtime import protocol as p
from api.realtime.member import Socket
from api.realtime.replay_frames import joined, replay_room, shown
from api.realtime.wire import text_frame
from domain.kernel import Event, Recorded
from infra.runtime import Runtime
from projections.frames import Ev, Mo
from projections.replay.moments import Moment
from projections.replay.scene import Scene, scene_at
from projections.replay.session import Pace, happened

log = structlog.get_logger()


class Player:
    """Plays into its connection; what steers it takes hold before the next frame."""

    def __init__(
        self,
        runtime: Runtime,
        epoch: str,
        socket: Socket,
        project: UUID,
        end: Moment,
        speed: float,
        failed: Callable[["Player"], None],
    ) -> None:
        self.project, self.id = project, runtime.new_id()
        self.room = replay_room(self.id)
        self.pos = 0  # what has been shown
        self._runtime, self._epoch, self._socket, self._failed = runtime, epoch, socket, failed
        self._end, self._speed, self._paused = end, speed, False
        self._skipping = False
        self._prev = 0
        self._pace: Pace | None = None
        self._changed = asyncio.Event()
        self._playing: asyncio.Task[None] | None = None

    async def scene(self, at: int | datetime) -> Scene:
        """What there is to see at a moment. Nothing changes until it is begun with."""
        return await scene_at(self._runtime, self.project, at, self._end)

    def begin(self, scene: Scene, re: UUID | None) -> None:
        """Tell the scene, and play on from there."""
        self.stop()
        self.pos = self._prev = scene.moment.position
        self._tell(joined(self.id, scene, self._rewound(scene), self._epoch, re))
        self._playing = asyncio.create_task(self._play(), name=self.room)

    def _rewound(self, scene: Scene) -> p.Rewound:
        return p.Rewound(
            at=scene.moment.at,
            end=self._end.position,
            end_at=self._end.at,
            speed=self._speed,
            paused=self._paused,
            cursors_from=scene.cursors_from,
        )

    def pause(self, *, paused: bool) -> None:
        self._paused = paused
        self._set_pace()

    def set_speed(self, speed: float) -> None:
        self._speed = speed
        self._set_pace()

    def skip(self) -> None:
        """Nobody waits for what comes next."""
        self._skipping = True
        self.wake()

    def wake(self) -> None:
        """Something that is waited for may have come."""
        self._changed.set()

    def stop(self) -> None:
        """No frame comes after this."""
        if self._playing is not None:
            self._playing.cancel()
        self._playing = self._pace = None

    async def _play(self) -> None:
        try:
            pages = happened(self._runtime, self.project, self.pos, self._end.position)
            async with aclosing(pages):
                async for page in pages:
                    for one in page:
                        await self._turn(one.at)
                        self._show(one)
        except Exception:
            log.exception("replay_failed", project=str(self.project), position=self.pos)
            self._failed(self)
            return
        self.pos = self._end.position
        self._tell(p.Ended(room=self.room, pos=self.pos))

    async def _turn(self, at: datetime) -> None:
        """Until it is due, not paused, and the peer reads. What comes first is due at once."""
        self._pace = self._pace or Pace(at, self._rate)
        await asyncio.sleep(0)  # however fast it is, the other connections have their turn
        self._skipping = False  # nobody waited for this yet
        while (wait_s := self._wait_s(self._pace, at)) > 0:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s if wait_s < inf else None):
                    await self._changed.wait()
            if self._skipping:
                self._pace.skip_to(at)

    def _wait_s(self, pace: Pace, at: datetime) -> float:
        return inf if self._paused or self._socket.paused else pace.due_in_s(at)

    def _show(self, one: Recorded[Event]) -> None:
        frame = shown(self.room, one, self._prev)
        if isinstance(frame, Ev):
            self._prev = one.position
        self.pos = one.position
        self._tell(frame)

    @property
    def _rate(self) -> float:
        return 0.0 if self._paused else self._speed

    def _set_pace(self) -> None:
        if self._pace is not None:
            self._pace.set_speed(self._rate)
        self.wake()

    def _tell(self, frame: p.ServerFrame | Ev | Mo) -> None:
        self._socket.send(text_frame(msgspec.json.encode(frame)))
