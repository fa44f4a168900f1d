"""What a client must have seen of a room: every durable frame once, in order, none missing."""

from typing import Any

Json = dict[str, Any]


class Chain:
    """One client's copy of a room's chain. A frame that breaks it is an AssertionError."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.last: int | None = None  # the newest position; None: not joined yet
        self.resumed = 0  # joins that went on where the chain ended
        self._from_snapshot = False  # whose position may be beyond the room's own last

    def take(self, frame: Json) -> bool:
        """Whether it is the chain's next event; anything else is checked and passed over."""
        if frame.get("room") != self.room:
            return False
        if frame["op"] == "joined":
            self._joined(frame)
        if frame["op"] not in {"ev", "skip"}:
            return False
        assert self.last is not None, "an event before the room was joined"
        assert frame["pos"] > self.last, f"{frame['pos']} came after {self.last}"
        prev = frame.get("prev", 0)
        assert prev == self.last or (self._from_snapshot and prev < self.last), "a gap"
        self.last, self._from_snapshot = frame["pos"], False
        return frame["op"] == "ev"

    def _joined(self, frame: Json) -> None:
        if self.last is None:
            self.last, self._from_snapshot = frame["pos"], True
            return
        assert frame["mode"] == "resume", "a snapshot in place of what was missed"
        assert frame["pos"] == self.last
        self.resumed += 1
