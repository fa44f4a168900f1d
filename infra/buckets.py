"""Token buckets: a local one, and a node's copy of one that all nodes spend from.

A copy decides at once, by what it knows, and tells Redis after; the answer is what is left for
all. So no action waits for Redis, and over a time t nobody gets more than per_s * t, plus a burst
for each node: one that has not heard of the others' spending yet lets its own burst through, and
all of them wait until what was overdrawn, at most a burst, has flowed in again.
"""

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from infra.sharing import Sharing

COPIES = 50_000  # that a node keeps; who was not seen for longest is forgotten first

# KEYS: the bucket. ARGV: burst, tokens a second, spent since the last report. What is left.
SPEND = """
local burst, per_s = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local kept = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = burst
if kept[1] then
    left = math.min(burst, kept[1] + math.max(0, now - kept[2]) * per_s)
end
left = math.min(burst, math.max(-burst, left - tonumber(ARGV[3])))
redis.call('HSET', KEYS[1], 'left', left, 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((burst - left) / per_s * 1000) + 1000)
return tostring(left)
"""


class Rate(msgspec.Struct, frozen=True):
    """At most `burst` at once (0: no limit), and `per_s` in the long run."""

    burst: float
    per_s: float


def per_window(count: int, window_s: float) -> Rate:
    """All of it at once, if one likes; then as it flows in."""
    return Rate(count, count / window_s)


class Bucket:
    """Tokens of this process alone."""

    __slots__ = ("_at", "_promised", "left", "rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self.left = rate.burst
        self._at = now
        self._promised = 0.0  # the time for which the last one refused was promised a token

    def take(self, now: float) -> float:
        """0.0: go on; else the seconds to wait, each who is refused a token of their own."""
        if not self.rate.burst:
            return 0.0
        self._flow(now)
        if self.left >= 1:
            self.left -= 1
            return 0.0
        every_s = 1 / self.rate.per_s
        soonest = now + (1 - self.left) * every_s
        latest = now + self.rate.burst * every_s
        self._promised = max(soonest, min(latest, self._promised + every_s))
        return self._promised - now

    def reset(self, left: float) -> None:
        self.left = min(self.rate.burst, left)

    def _flow(self, now: float) -> None:
        self.left = min(self.rate.burst, self.left + (now - self._at) * self.rate.per_s)
        self._at = now


class Copy:
    """A node's copy of a bucket that is spent from on all nodes."""

    __slots__ = ("_bucket", "_spent", "key")

    script = SPEND

    def __init__(self, key: str, bucket: Bucket) -> None:
        self.key = key
        self._bucket = bucket
        self._spent = 0  # since the last report

    def take(self, now: float) -> float:
        wait = self._bucket.take(now)
        self._spent += not wait
        return wait

    def give_back(self) -> None:
        self._bucket.reset(self._bucket.left + 1)
        self._spent -= 1

    def report(self) -> list[float]:
        spent, self._spent = self._spent, 0
        return [self._bucket.rate.burst, self._bucket.rate.per_s, spent]

    def heard(self, answer: float) -> None:
        self._bucket.reset(answer - self._spent)


class Buckets:
    """The buckets that all nodes share."""

    def __init__(self, sharing: Sharing, clock: Callable[[], float]) -> None:
        self._sharing, self._clock = sharing, clock
        self._copies: OrderedDict[str, Copy] = OrderedDict()

    def __len__(self) -> int:
        return len(self._copies)

    def take(self, rate: Rate, key: str) -> float:
        """0.0: go on; else the seconds to wait."""
        if not rate.burst:
            return 0.0
        copy = self._copy(rate, key)
        wait = copy.take(self._clock())
        if not wait:
            self._sharing.tell(copy)
        return wait

    def give_back(self, rate: Rate, key: str) -> None:
        """What was taken is not to count."""
        if rate.burst:
            copy = self._copy(rate, key)
            copy.give_back()
            self._sharing.tell(copy)

    def _copy(self, rate: Rate, key: str) -> Copy:
        copy = self._copies.get(key)
        if copy is None:
            copy = self._copies[key] = Copy(key, Bucket(rate, self._clock()))
            if len(self._copies) > COPIES:
                self._copies.popitem(last=False)
        self._copies.move_to_end(key)
        return copy
