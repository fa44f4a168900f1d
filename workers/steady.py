"""Whether something has gone on without a break: after one, nobody is to be declared lost."""


class Steady:
    """A Postgres that stalls is not a thousand departures: judge only after `for_s` of beats."""

    def __init__(self, for_s: float) -> None:
        self._for_s = for_s
        self._since: float | None = None
        self._last = 0.0

    def beat(self, now: float) -> bool:
        """Note a success at `now` (monotonic seconds); whether there was no break for `for_s`.

        A break is half of `for_s` without a beat.
        """
        if self._since is None or now - self._last > self._for_s / 2:
            self._since = now
        self._last = now
        return now - self._since >= self._for_s
