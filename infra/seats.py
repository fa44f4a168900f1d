"""How many connections a user or an address has, here and on all other nodes.

As with buckets, a node decides at once by what it knows: those who connect to several nodes within
a moment may get as many seats on each. What a node holds is a lease, so that who dies gives it up.
"""

from collections.abc import Callable
from uuid import UUID

from infra.sharing import Sharing

LEASE_S = 60.0
RENEW_S = 20.0

# KEYS: whose seats. ARGV: the node, how many it holds, for how many seconds. Those of other nodes.
COUNT = """
local now = tonumber(redis.call('TIME')[1])
if tonumber(ARGV[2]) > 0 then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. (now + ARGV[3]))
    redis.call('EXPIRE', KEYS[1], ARGV[3])
else
    redis.call('HDEL', KEYS[1], ARGV[1])
end
local others, held = 0, redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
    local count, until_s = held[i + 1]:match('(%d+):(%d+)')
    if tonumber(until_s) < now then
        redis.call('HDEL', KEYS[1], held[i])
    elseif held[i] ~= ARGV[1] then
        others = others + count
    end
end
return others
"""


class Holder:
    """Somebody's seats: `here` is exact, `elsewhere` was true when Redis was last asked."""

    __slots__ = ("_node", "elsewhere", "here", "key")

    script = COUNT

    def __init__(self, key: str, node: UUID) -> None:
        self.key = key
        self.here = 0
        self.elsewhere = 0
        self._node = str(node)

    def report(self) -> list[str | int]:
        return [self._node, self.here, int(LEASE_S)]

    def heard(self, answer: float) -> None:
        self.elsewhere = int(answer)


class Seats:
    """The seats of one kind of holder, at most `most` each (0: no limit)."""

    def __init__(self, sharing: Sharing, node: UUID, kind: str, most: int) -> None:
        self._sharing, self._node, self._kind, self._most = sharing, node, kind, most
        self._holders: dict[str, Holder] = {}

    def take(self, who: str) -> Callable[[], None] | None:
        """What gives the seat up again, to be called once; None: there is none left."""
        if not self._most:
            return _nothing
        holder = self._holders.get(who)
        if holder is None:
            holder = self._holders[who] = Holder(f"seats:{self._kind}:{who}", self._node)
        self._sharing.tell(holder)  # also when refused: elsewhere some may have been given up
        if holder.here + holder.elsewhere >= self._most:
            return None
        holder.here += 1
        return lambda: self._give_up(holder)

    def renew(self) -> None:
        """To be called every RENEW_S: keep what is held, forget those who hold nothing."""
        for who, holder in list(self._holders.items()):
            if holder.here:
                self._sharing.tell(holder)
            else:
                del self._holders[who]

    def _give_up(self, holder: Holder) -> None:
        holder.here -= 1
        self._sharing.tell(holder)


def _nothing() -> None:
    """There is nothing to give up where nothing is counted."""
