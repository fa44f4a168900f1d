"""How often somebody's motion goes on to a room: the more people, the less often; latest wins."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import msgspec

from domain.kernel import Event
from infra.eventstore.types import Motion

OFTEN_S = 1 / 30  # between two cursors of a participation
SELDOM_S = 1.0
DELIVERIES = 20_000  # of a room in a second, when everybody in it moves

Key = tuple[UUID, type[Event]]


def pace_s(members: int) -> float:
    """Seconds between two motions of a kind, of each of so many."""
    return min(max(members * members / DELIVERIES, OFTEN_S), SELDOM_S)


class _Last(msgspec.Struct):
    timer: asyncio.TimerHandle | None = None  # runs until the next may go
    waiting: Motion | None = None


class Pace:
    """Passes motion on to `append`, at most one each `every_s` of a participation and kind."""

    def __init__(self, append: Callable[[Motion], None]) -> None:
        self._append = append
        self._last: dict[Key, _Last] = {}

    def take(self, motion: Motion, every_s: float) -> None:
        key = (motion.participation, type(motion.event))
        last = self._last.setdefault(key, _Last())
        if last.timer is not None:
            last.waiting = motion
            return
        self._append(motion)
        self._rest(key, last, every_s)

    def _rest(self, key: Key, last: _Last, every_s: float) -> None:
        loop = asyncio.get_running_loop()
        last.timer = loop.call_later(every_s, self._go_on, key, last, every_s)

    def _go_on(self, key: Key, last: _Last, every_s: float) -> None:
        last.timer, waiting, last.waiting = None, last.waiting, None
        if waiting is None:
            self._last.pop(key, None)
            return
        self._append(waiting)
        self._rest(key, last, every_s)

    def forget(self, participation: UUID) -> None:
        """It has left: what waits is nobody's any more."""
        for key in [key for key in self._last if key[0] == participation]:
            last = self._last.pop(key)
            if last.timer is not None:
                last.timer.cancel()
