"""How long a peer that reads nothing is borne: its answers wait in memory, and others could too."""

MAX_UNREAD = 1024 * 1024  # bytes of answers for a peer that asks and reads nothing
SLOW_S = 5.0  # a peer that reads nothing for so long is cut off


class Patience:
    """With one peer; each question is whether it is at an end."""

    def __init__(self) -> None:
        self._since: float | None = None  # when it stopped reading
        self._unread = 0

    def tried(self, now: float, *, paused: bool) -> bool:
        """Once a second, in the loop's time."""
        if not paused:
            self._since = None
        elif self._since is None:
            self._since = now
        return self._since is not None and now - self._since > SLOW_S

    def burdened(self, size: int, *, paused: bool) -> bool:
        """By so many bytes more."""
        self._unread = self._unread + size if paused else 0
        return self._unread > MAX_UNREAD
