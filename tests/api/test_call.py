from uuid import UUID

import pytest

from api.call import Malformed, client_id, done, version
from infra.eventstore.execute import Outcome

KEY = UUID("0190a5d2-9c1e-7d6b-8a51-0d6e4c1b2a3f")
ID = UUID(int=1)


def test_a_key_that_is_a_uuid_is_the_clients_id() -> None:
    assert client_id(str(KEY)) == KEY


def test_any_other_key_gives_the_same_id_each_time() -> None:
    assert client_id("order 17") == client_id("order 17") != client_id("order 18")


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_of_no_or_too_many_characters_is_refused(key: str) -> None:
    with pytest.raises(Malformed):
        client_id(key)


@pytest.mark.parametrize(("tag", "expected"), [('"7"', 7), (' "0" ', 0), ("*", None)])
def test_if_match_names_a_version_or_any(tag: str, expected: int | None) -> None:
    assert version(tag) == expected


@pytest.mark.parametrize("tag", ["7", '"7', 'W/"7"', '"7", "8"', '"-1"', '"x"', '""', '"²"'])
def test_an_if_match_that_names_no_version_is_refused(tag: str) -> None:
    with pytest.raises(Malformed):
        version(tag)


def test_an_answer_says_version_and_position() -> None:
    answer = done(Outcome(version=3, position=17), ID, created=True)
    assert (answer.content.version, answer.content.position) == (3, 17)
    assert answer.headers == {"ETag": '"3"', "X-Position": "17"}
    assert answer.status_code == 201


def test_a_repeated_command_is_marked() -> None:
    answer = done(Outcome(version=3, position=17, repeated=True), ID)
    assert answer.headers["Idempotent-Replayed"] == "true"


def test_a_command_that_changed_nothing_has_no_position() -> None:
    answer = done(Outcome(version=3, position=None), ID)
    assert answer.content.position is None
    assert "X-Position" not in answer.headers
