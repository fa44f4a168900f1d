"""What is in the log today must be readable for ever: each file is one event as it was stored."""

from pathlib import Path

import msgspec
import pytest

from domain.registry import EVENTS, MOTION_EVENTS, tag_of
from domain.task import CommentAdded
from domain.upcasts import UPCASTS
from infra.eventstore.codec import decode
from tests.golden import generate
from tests.golden.generate import FOLDER, sample, written

LIVE = {**EVENTS, **MOTION_EVENTS}
FILES = {path.stem: path for path in sorted(FOLDER.glob("*.json"))}


def test_every_event_live_or_retired_has_a_golden_file() -> None:
    """Missing for a new event: `make golden`. Never remove or change one that is there."""
    assert FILES.keys() == LIVE.keys() | UPCASTS.keys()


@pytest.mark.parametrize("tag", sorted(LIVE))
def test_a_live_event_reads_and_writes_as_it_was_stored(tag: str) -> None:
    stored = FILES[tag].read_bytes()
    event = decode(tag, stored)
    assert type(event) is LIVE[tag]
    assert written(event) == stored


@pytest.mark.parametrize("tag", sorted(LIVE))
def test_a_golden_file_shows_every_field(tag: str) -> None:
    """A field that came later has a default: the file stays, and the field is not in it."""
    stored = msgspec.json.decode(FILES[tag].read_bytes(), type=dict[str, object])
    required = {f.encode_name for f in msgspec.structs.fields(LIVE[tag]) if f.required}
    assert stored["tag"] == tag
    assert required <= stored.keys() <= {"tag", *LIVE[tag].__struct_encode_fields__}


@pytest.mark.parametrize("tag", sorted(UPCASTS))
def test_a_retired_event_reads_as_a_live_one(tag: str) -> None:
    event = decode(tag, FILES[tag].read_bytes())
    assert LIVE[tag_of(type(event))] is type(event)


def test_the_first_comments_read_as_todays() -> None:
    event = decode("task.comment_added.v1", FILES["task.comment_added.v1"].read_bytes())
    stored = decode("task.comment_added.v2", FILES["task.comment_added.v2"].read_bytes())
    assert isinstance(event, CommentAdded)
    assert isinstance(stored, CommentAdded)
    assert event == msgspec.structs.replace(stored, body="The first words", mentions=())


def test_the_generator_never_overwrites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "user.registered.v1.json"
    kept.write_bytes(b"as it was")
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    generate.main()
    assert kept.read_bytes() == b"as it was"
    assert {path.stem for path in tmp_path.iterdir()} == LIVE.keys()


@pytest.mark.parametrize("tag", sorted(LIVE))
def test_a_sample_gives_every_field(tag: str) -> None:
    event = sample(LIVE[tag])
    stored = msgspec.json.decode(written(event), type=dict[str, object])
    assert stored.keys() == {"tag", *event.__struct_encode_fields__}
