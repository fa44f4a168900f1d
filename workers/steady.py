"""Whether something has gone on without a break: after one, nobody is to be declared lost."""

JUMP_S = 1.0  # of a clock; less may be the way of the answer


class Steady:
    """A Postgres that stalls is not a thousand departures, nor is one whose clock is set: judge
    only after `for_s` of beats."""

    def __init__(self, for_s: float) -> None:
        self.jumped = 0.0  # seconds that Postgres's clock did before the last beat
        self._for_s = for_s
        self._since: float | None = None
        self._last = self._ahead = 0.0

    def beat(self, now: float, theirs: float) -> bool:
        """Note a success at `now` (monotonic seconds), which was `theirs` by Postgres's clock.

        Whether there was no break for `for_s`: half of that without a beat, or a jump.
        """
        ahead, first = theirs - now, self._since is None
        jumped = 0.0 if first else ahead - self._ahead
        self.jumped = jumped if abs(jumped) >= JUMP_S else 0.0
        if first or self.jumped:
            self._ahead = ahead
        if self._since is None or self.jumped or now - self._last > self._for_s / 2:
            self._since = now
        self._last = now
        return now - self._since >= self._for_s


class Rise:
    """Of what goes down to nothing by itself, a second each second."""

    def __init__(self) -> None:
        self._value = self._at = 0.0

    def of(self, value: float, now: float) -> float:
        """How much more it is than it would be by itself."""
        expected = max(self._value - (now - self._at), 0.0)
        self._value, self._at = value, now
        return max(value - expected, 0.0)
