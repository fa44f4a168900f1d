"""Events as bytes: compressed above a size, refused when SQL could not show them."""

import zlib
from typing import cast
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.activity import ActivityRecorded
from domain.kernel import Event, Metadata
from domain.task import CommentAdded
from domain.upcasts import UPCASTS, Payload, Upcast
from infra.eventstore import codec
from infra.eventstore.codec import (
    MAX_STATE,
    HasNul,
    TooLarge,
    UnknownTag,
    decode,
    encode,
    encode_metadata,
    inflate,
)

ANN, BOB = UUID(int=1), UUID(int=2)


def act(text: str) -> Event:
    data = msgspec.Raw(msgspec.json.encode({"text": text}))
    return ActivityRecorded(room="project:x", kind="note", data=data)


@given(text=st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=2_000))
@pytest.mark.parametrize("above", [0, 1, 200, 10_000])
def test_what_is_encoded_is_decoded(text: str, above: int) -> None:
    event = act(text)
    assert decode(*encode(event, above)) == event


def test_only_what_is_long_and_shrinks_is_compressed() -> None:
    short, long = act("a"), act("a" * 5_000)
    assert encode(short, 1_000)[1].startswith(b"{")
    assert encode(long)[1].startswith(b"{"), "nothing is, unless asked for"
    packed = encode(long, 1_000)[1]
    assert packed.startswith(b"\x78")
    assert len(packed) < 200
    assert inflate(packed) == encode(long)[1]
    assert codec.compress(b'{"', above=1) == b'{"', "it would have grown"


@pytest.mark.parametrize(
    "state",
    [
        zlib.compress(b"x" * (MAX_STATE + 1)),
        zlib.compress(b'{"a":1}')[:-3],
        b"\x78\x9cnonsense",
    ],
    ids=["bomb", "torn", "garbage"],
)
def test_a_damaged_state_is_an_error_not_a_bomb(state: bytes) -> None:
    with pytest.raises(ValueError, match="zlib"):
        decode("activity.recorded.v1", state)


def test_what_sql_cannot_show_is_refused() -> None:
    with pytest.raises(HasNul):
        encode(act("a\0b"))
    with pytest.raises(HasNul):
        encode_metadata(Metadata(user_agent="a\0b"))
    encode(act(r"a\u0000b"))  # six characters, not one


def test_the_size_counts_before_compression() -> None:
    with pytest.raises(TooLarge):
        encode(act("x" * MAX_STATE), 1)


def test_an_unknown_tag_is_named() -> None:
    with pytest.raises(UnknownTag, match="sphere"):
        decode("sphere.rotated.v9", b"{}")


def test_what_only_a_newer_version_can_read_is_as_an_unknown_tag() -> None:
    newer = b'{"tag":"job.requested.v1","wanted":{"args":{"type":"of_tomorrow"}}}'
    with pytest.raises(UnknownTag, match=r"job\.requested\.v1.*start the version of formula"):
        decode("job.requested.v1", newer)


def test_an_old_payload_goes_through_all_its_upcasts(monkeypatch: pytest.MonkeyPatch) -> None:
    def words_to_text(payload: Payload) -> Payload:
        return {**payload, "text": payload["words"]}

    to_v1 = Upcast("task.comment_added.v1", words_to_text)
    monkeypatch.setitem(cast(dict[str, object], UPCASTS), "task.comment_added.v0", to_v1)
    old: Payload = {"comment": ANN, "author": BOB, "words": "hello", "at": "2030-01-02T03:04:05Z"}
    event = decode("task.comment_added.v0", msgspec.json.encode(old))
    assert isinstance(event, CommentAdded)
    assert (event.body, event.mentions) == ("hello", ())
