"""The newest motion of everybody in a room: for who comes, and for who read too slowly."""

from collections import OrderedDict
from uuid import UUID

import msgspec

SILENT_S = {"motion.cursor": 10.0, "motion.typing": 6.0}  # as old, it is gone; a selection stays
MOST = 1_000  # of a room

Key = tuple[UUID | None, str]


class _Head(msgspec.Struct, frozen=True):
    type: str
    participation: UUID | None = None  # None: the system tells it


_decoder = msgspec.json.Decoder(_Head)


class Newest:
    """`mo` frames by participation and type; times are monotonic seconds."""

    def __init__(self) -> None:
        self._frames: OrderedDict[Key, tuple[float, bytes]] = OrderedDict()
        self._gone: OrderedDict[UUID, None] = OrderedDict()

    def note(self, frame: bytes, now: float) -> bool:
        """Whether it is news: motion gives way in the log, also to the end of its participation."""
        head = _decoder.decode(frame)
        if head.participation in self._gone:
            return False
        key = (head.participation, head.type)
        self._frames[key] = (now, frame)
        self._frames.move_to_end(key)
        if len(self._frames) > MOST:
            self._frames.popitem(last=False)
        return True

    def since(self, then: float, now: float) -> list[bytes]:
        """What came at `then` or later and is not silent yet, newest first."""
        found: list[bytes] = []
        for (_, kind), (at, frame) in reversed(self._frames.items()):
            if at < then:
                break
            if now - at < SILENT_S.get(kind, now):
                found.append(frame)
        return found

    def gone(self, participation: UUID) -> None:
        """Its motion goes with it; a person's other connections keep theirs."""
        for kind in ("motion.cursor", "motion.typing", "motion.selected"):
            self._frames.pop((participation, kind), None)
        self._gone[participation] = None
        if len(self._gone) > MOST:
            self._gone.popitem(last=False)
