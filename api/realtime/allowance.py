"""How much a connection may say: frames and motion by itself, actions by its user."""

from collections.abc import Callable
from uuid import UUID

from api.realtime import protocol as p
from api.realtime.session import REPLAYS
from infra.buckets import Bucket, Rate
from infra.limits import Limits
from infra.settings import Settings

BURST_S = 2.0  # of frames and of motion, at once
PATIENCE = Rate(burst=100, per_s=2)  # refusals that are answered; who needs more is cut off

MOTION = (p.Cursor, p.Typing, p.Select)
# These append nothing, or seldom, or give up what was paid for; all else is an action.
FREE = (p.Hello, p.Token, p.Ping, p.Seen, p.Leave, p.Unlock, p.Unwait)
NO_ACTIONS = frozenset((*FREE, *MOTION))


class Allowance:
    """What answers with seconds answers 0.0 for: go on; else how long to wait."""

    __slots__ = ("_clock", "_frames", "_limits", "_motion", "_patience")

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._limits, self._clock = limits, limits.clock
        self._frames = _bucket(settings.rate_limit_frames_per_s, limits.clock)
        self._motion = _bucket(settings.rate_limit_motion_per_s, limits.clock)
        self._patience = Bucket(PATIENCE, limits.clock())

    def message(self) -> float:
        """A frame, whatever is in it."""
        return self._frames.take(self._clock())

    def frame(self, frame: p.Incoming, user: UUID | None) -> float:
        """What a frame asks for."""
        if isinstance(frame, MOTION):
            return self._motion.take(self._clock())
        if user is not None and is_action(frame):
            return self._limits.action(user)
        return 0.0

    def exhausted(self) -> bool:
        """One more was refused: whether that was one too many."""
        return self._patience.take(self._clock()) > 0


def is_action(frame: p.Incoming) -> bool:
    """Whether it counts. In a replay's room nothing is appended."""
    if type(frame) in NO_ACTIONS:
        return False
    return not (isinstance(frame, p.Act) and frame.room.startswith(REPLAYS))


def _bucket(per_s: float, clock: Callable[[], float]) -> Bucket:
    return Bucket(Rate(per_s * BURST_S, per_s), clock())
