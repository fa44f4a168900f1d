"""Admission: how many requests a process works on at once.

Those beyond are turned away before they cost anything: taken in, they would only make all others
wait. Whoever waits for something else than this process (the rest of a body, news of a room, a
position) stands aside meanwhile, or a few hundred slow clients could keep everybody else out.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from infra.metrics import Counters, Gauges, Metric

MOST = 128  # more do not raise the throughput, they only wait for one another
RETRY_AFTER_S = 1


class Door:
    """Of a process."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.inside = 0
        about = "requests that were refused, as too many were worked on"
        self.turned_away = Counters("formula_http_turned_away_total", about, "method")

    @property
    def full(self) -> bool:
        return self.inside >= self.most

    def metrics(self) -> list[Metric]:
        about = "requests that are worked on"
        return [self.turned_away, Gauges("formula_http_under_way", about, {(): self.inside})]


class Place:
    """Of one request; who has it is counted until `leave`, unless it stands aside."""

    __slots__ = ("_aside", "_door", "_over")

    def __init__(self, door: Door) -> None:
        self._door = door
        self._aside = 0
        self._over = False
        door.inside += 1

    def leave(self) -> None:
        if not self._over:
            self._door.inside -= not self._aside
            self._over = True

    def step_aside(self) -> None:
        self._door.inside -= not (self._over or self._aside)
        self._aside += 1

    def step_back(self) -> None:
        self._aside -= 1
        self._door.inside += not (self._over or self._aside)


DOOR = Door()
place: ContextVar[Place | None] = ContextVar("place", default=None)


def leave() -> None:
    """The answer of the request that runs here begins: how fast it is taken is its reader's."""
    mine = place.get()
    if mine is not None:
        mine.leave()


@contextmanager
def aside() -> Generator[None]:
    """While the request that runs here, if one does, waits for something else than this process."""
    mine = place.get()
    if mine is None:
        yield
        return
    mine.step_aside()
    try:
        yield
    finally:
        mine.step_back()
