"""In a person's own room, for who may not hear what is said there: what concerns their rights."""

from collections.abc import Callable
from uuid import UUID

from api.realtime.locking import Granted


class Ears:
    """A socket that hears in a person's own room what they may no longer do, and nothing else.

    `granted`: that the queue for a lock has come to them. Without a socket one renews what one
    holds oneself.
    """

    paused = False

    def __init__(
        self, hears: Callable[[UUID], None], granted: Callable[[Granted], None] | None = None
    ) -> None:
        self._hears, self._granted = hears, granted

    def rights_changed(self, concerned: UUID) -> None:
        self._hears(concerned)

    def send(self, frame: bytes) -> None:
        """The frames of that room are not for them."""

    def granted(self, granted: Granted) -> None:
        if self._granted is not None:
            self._granted(granted)

    def reaped(self, participation: UUID) -> None:
        """Nobody is shown there."""
