from uuid import UUID

import msgspec
import pytest

from domain.activity import ACTIVITY, MAX_DATA, ActivityRecorded, RecordActivity
from tests.dsl import check, refused

ROOM = f"project:{UUID(int=11)}"


def record(
    data: bytes = b"{}", *, kind: str = "whiteboard.draw", room: str = ROOM
) -> RecordActivity:
    return RecordActivity(room=room, kind=kind, data=msgspec.Raw(data))


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b'{"x": [1, 2.5, null, "\xc3\xa9"]}',
        rb'"\\u0000"',
        b'"' + b"x" * (MAX_DATA - 2) + b'"',
    ],
)
def test_an_activity_is_recorded_as_it_came(data: bytes) -> None:
    recorded = ActivityRecorded(room=ROOM, kind="whiteboard.draw", data=msgspec.Raw(data))
    check(ACTIVITY, given=[], when=record(data), then=[recorded])
    check(ACTIVITY, given=[recorded], when=record(data), then=[recorded])


@pytest.mark.parametrize("kind", ["", "Draw", "a b", "a/b", "x" * 61, "draw\n"])
def test_a_kind_is_a_short_plain_word(kind: str) -> None:
    check(ACTIVITY, given=[], when=record(kind=kind), then=refused("activity.bad_kind"))


def test_a_kind_may_be_as_long_as_the_limit() -> None:
    kind = "x" * 60
    recorded = ActivityRecorded(room=ROOM, kind=kind, data=msgspec.Raw(b"{}"))
    check(ACTIVITY, given=[], when=record(kind=kind), then=[recorded])


def test_an_activity_happens_in_a_room() -> None:
    check(ACTIVITY, given=[], when=record(room="kitchen"), then=refused("room.bad_name"))


def test_data_is_bounded() -> None:
    data = b'"' + b"x" * (MAX_DATA - 1) + b'"'
    check(ACTIVITY, given=[], when=record(data), then=refused("activity.too_large"))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"a":1,}', b'"\xff"', rb'"\ud800"', b"1e999999", b"[" * 4_000 + b"]" * 4_000],
    ids=["empty", "open", "comma", "not UTF-8", "half a letter", "endless", "deep"],
)
def test_data_that_jsonb_could_not_keep_is_refused(data: bytes) -> None:
    check(ACTIVITY, given=[], when=record(data), then=refused("activity.bad_data"))


@pytest.mark.parametrize("data", [rb'"\u0000"', rb'{"a": {"b\u0000": 1}}', rb'"\\\u0000"'])
def test_data_holds_no_nul_however_deep(data: bytes) -> None:
    check(ACTIVITY, given=[], when=record(data), then=refused("text.has_nul"))
