"""Durable frames as a room sends them: encoded once for all who may see the same."""

from collections.abc import Sequence

import msgspec

from api.realtime import protocol as p
from api.realtime.wire import text_frame
from infra.bus import Entry, Kind


class Frame(msgspec.Struct, frozen=True):
    """A durable frame, ready for the wire."""

    pos: int
    prev: int
    audience: int
    bytes: bytes


class Ready:
    """Frames of a room in their order, in one piece for all who may see the same of them."""

    def __init__(self, room: str, frames: Sequence[Frame]) -> None:
        self.last = frames[-1].pos
        self._before = frames[0].pos - 1
        self._room, self._frames = room, frames
        self.had = self.had_bytes = 0  # what was not sent again to those who had it
        self._pieces: dict[int, bytes] = {}  # by audience

    def above(self, after: int, audience: int) -> bytes:
        """Those above `after`, as that audience sees them."""
        if after > self._before:
            return self._rest(after, audience)
        piece = self._pieces.get(audience)
        if piece is None:
            piece = self._pieces[audience] = self._joined(self._frames, audience)
        return piece

    def _rest(self, after: int, audience: int) -> bytes:
        had = [one for one in self._frames if one.pos <= after]
        self.had += len(had)
        self.had_bytes += sum(len(one.bytes) for one in had)
        return self._joined(self._frames[len(had) :], audience)

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def size(self) -> int:
        """Bytes of the frames."""
        return sum([len(one.bytes) for one in self._frames])

    def _joined(self, frames: Sequence[Frame], audience: int) -> bytes:
        return b"".join([visible(self._room, one, audience) for one in frames])


def framed(room: str, entry: Entry) -> Frame:
    """The entry for the wire. Rights are nobody's business: a `skip` keeps the chain whole."""
    rights = entry.kind is Kind.RIGHTS
    payload = _skip(room, entry.pos, entry.prev) if rights else entry.payload
    return Frame(entry.pos, entry.prev, entry.audience, text_frame(payload))


def _skip(room: str, pos: int, prev: int) -> bytes:
    return p.encode_frame(p.Skip(room=room, pos=pos, prev=prev))


def visible(room: str, frame: Frame, audience: int) -> bytes:
    """The frame, or a `skip` that keeps the chain whole for those who may not see it."""
    if frame.audience <= audience:
        return frame.bytes
    return text_frame(_skip(room, frame.pos, frame.prev))
