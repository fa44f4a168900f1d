"""Presence diffs of a room: what changed in a while is one frame, and short drops no flicker."""

from uuid import UUID

import msgspec

from api.realtime.protocol import Presence
from domain.participation import LeaveReason
from infra.bus import Entry, Kind
from projections.receipts import Seen

OFTEN_S, SELDOM_S = 0.25, 1.0  # between two frames
FRAMES = 100  # of a room in a second, when people come and go: a crowd must not be quadratic
OF_NODE = 2_500  # frames of all rooms in a second, about a tenth of a core
LATEST_S = 5.0
GRACE_S = 8.0  # a drop shorter than this is shown as "away", not as leave and join


class Someone(msgspec.Struct, frozen=True):
    """The part of a member's payload that presence needs."""

    participation: UUID
    user: UUID
    reason: LeaveReason | None = None


_decoder = msgspec.json.Decoder(Someone)
_receipts = msgspec.json.Decoder(Seen)


def someone_of(entry: Entry) -> Someone:
    return _decoder.decode(entry.payload)


class Tempo:
    """How soon the rooms of a node tell what changed.

    The longer it takes until all are in who come at once, the more often they would be told of each
    other: 5,000 got 20 such frames each, and 1,000 not four.
    """

    def __init__(self) -> None:
        self._free = 0.0  # when all that is due will have been told

    def wait_s(self, sockets: int, now: float) -> float:
        """Seconds until so many are told, by `now` (monotonic seconds)."""
        self._free = max(self._free, now) + sockets / OF_NODE
        alone = min(max(sockets / FRAMES, OFTEN_S), SELDOM_S)
        return max(alone, min(self._free - now, LATEST_S))


class Diff:
    """Collects entries; `take` gives the frame to send, with the drops whose grace has ended."""

    def __init__(self) -> None:
        self._pos = 0
        self._join: dict[UUID, msgspec.Raw] = {}
        self._update: list[tuple[UUID, msgspec.Raw]] = []  # partial: all of them, in order
        self._away: list[UUID] = []
        self._leave: list[UUID] = []
        self._seen: dict[UUID, msgspec.Raw] = {}
        self._dropped: dict[UUID, tuple[UUID, float]] = {}  # participation: user, end of grace

    def add(self, entry: Entry, someone: Someone, now: float) -> None:
        """Note a JOIN, UPDATE or LEAVE of someone that arrived at `now` (monotonic seconds)."""
        key = someone.participation
        self._pos = entry.pos
        if entry.kind is Kind.LEAVE:
            self._left(someone, now)
        elif entry.kind is Kind.UPDATE:
            self._update.append((key, msgspec.Raw(entry.payload)))
        else:
            self._join[key] = msgspec.Raw(entry.payload)
            self._came_back(someone.user)

    def saw(self, entry: Entry) -> None:
        """Note a SEEN; a person's newest wins."""
        self._pos = entry.pos
        self._seen[_receipts.decode(entry.payload).user] = msgspec.Raw(entry.payload)

    def take(self, room: str, now: float) -> Presence | None:
        """What changed since the last take; None if nothing did."""
        for key, (_, end) in list(self._dropped.items()):
            if end <= now:
                del self._dropped[key]
                self._leave.append(key)
        changed = self._join or self._update or self._away or self._leave or self._seen
        if not changed:
            return None
        frame = Presence(
            room=room,
            pos=self._pos,
            join=list(self._join.values()),
            update=[raw for _, raw in self._update],
            away=self._away,
            leave=self._leave,
            seen=list(self._seen.values()),
        )
        self._seen = {}
        self._join, self._update, self._away, self._leave = {}, [], [], []
        return frame

    @property
    def waits(self) -> bool:
        """Whether a later `take` has something to say even if nothing arrives."""
        return bool(self._dropped)

    def _left(self, someone: Someone, now: float) -> None:
        key = someone.participation
        self._join.pop(key, None)  # but it is told: a snapshot may have shown it already
        self._update = [(other, raw) for other, raw in self._update if other != key]
        if someone.reason is LeaveReason.DROPPED:
            self._dropped[key] = (someone.user, now + GRACE_S)
            self._away.append(key)
        else:
            self._leave.append(key)

    def _came_back(self, user: UUID) -> None:
        """The person's new participation replaces those that dropped a moment ago."""
        for key, (dropped, _) in list(self._dropped.items()):
            if dropped == user:
                del self._dropped[key]
                self._leave.append(key)
