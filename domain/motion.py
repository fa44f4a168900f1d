"""Motion: cursors, typing, selections. Facts that nothing is decided on; the newest wins.

The functions make a fact, or raise Invalid.
"""

from typing import TypeAlias

import msgspec

from domain.kernel import Event
from domain.text import checked, checked_json

MAX_PLACE = 1024  # bytes of the client's own coordinates
MAX_WHERE = 200  # characters


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


def cursor(room: str, at: msgspec.Raw) -> CursorMoved:
    return CursorMoved(room=room, at=checked_json(at, "motion", MAX_PLACE))


def typing(room: str, where: str, on: bool) -> Typing:
    return Typing(room=room, where=checked(where, "motion.bad_where", MAX_WHERE, least=0), on=on)


def selected(room: str, selection: msgspec.Raw) -> Selected:
    return Selected(room=room, selection=checked_json(selection, "motion", MAX_PLACE))


MotionFact: TypeAlias = CursorMoved | Typing | Selected

MOTION = (CursorMoved, Typing, Selected)
