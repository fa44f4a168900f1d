"""Motion: cursors, typing, selections. Facts that nothing is decided on; the newest wins."""

from typing import TypeAlias

import msgspec

from domain.kernel import Event

MAX_PLACE = 1024  # bytes of the client's own coordinates


class CursorMoved(Event, frozen=True, kw_only=True, tag="motion.cursor.v1"):
    room: str
    at: msgspec.Raw  # the client's own object


class Typing(Event, frozen=True, kw_only=True, tag="motion.typing.v1"):
    room: str
    where: str
    on: bool


class Selected(Event, frozen=True, kw_only=True, tag="motion.selected.v1"):
    room: str
    selection: msgspec.Raw  # the client's own object


MotionFact: TypeAlias = CursorMoved | Typing | Selected

MOTION = (CursorMoved, Typing, Selected)
