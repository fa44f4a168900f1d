"""The newest motion of a room by value: who comes sees it, silence ends it."""

from uuid import UUID

import msgspec

from api.realtime.newest import MOST, Newest

ANN = UUID(int=1)
HERE, THERE = UUID(int=11), UUID(int=12)  # two windows of hers


def mo(participation: UUID, kind: str = "motion.cursor", pos: int = 1) -> bytes:
    frame = {"op": "mo", "by": ANN, "participation": participation, "type": kind, "pos": pos}
    return msgspec.json.encode(frame)


def seen(frames: list[bytes]) -> list[int]:
    return [msgspec.json.decode(frame)["pos"] for frame in frames]


def test_the_latest_of_a_participation_and_kind_wins_newest_first() -> None:
    newest = Newest()
    for pos, (participation, kind) in enumerate(
        [(HERE, "motion.cursor"), (THERE, "motion.cursor"), (HERE, "motion.typing")]
    ):
        newest.note(mo(participation, kind, pos), 1.0)
    newest.note(mo(HERE, "motion.cursor", 9), 2.0)
    assert seen(newest.since(0.0, 2.0)) == [9, 2, 1]
    assert seen(newest.since(1.5, 2.0)) == [9]


def test_silence_ends_cursors_and_typing_but_no_selection() -> None:
    newest = Newest()
    for pos, kind in enumerate(("motion.cursor", "motion.typing", "motion.selected")):
        newest.note(mo(HERE, kind, pos), 100.0)
    newest.note(mo(THERE, pos=7), 103.0)
    assert seen(newest.since(0.0, 105.9)) == [7, 2, 1, 0]
    assert seen(newest.since(0.0, 106.0)) == [7, 2, 0]
    assert seen(newest.since(0.0, 110.0)) == [7, 2]
    assert seen(newest.since(0.0, 113.0)) == [2]


def test_a_participation_that_ends_takes_its_motion_along_and_no_other() -> None:
    newest = Newest()
    for kind in ("motion.cursor", "motion.typing", "motion.selected"):
        newest.note(mo(HERE, kind), 1.0)
    newest.note(mo(THERE, pos=2), 1.0)
    newest.gone(HERE)
    assert seen(newest.since(0.0, 1.0)) == [2]


def test_motion_that_comes_after_the_end_is_no_news() -> None:
    """The log takes motion last: it may stand behind the end of its participation."""
    newest = Newest()
    newest.gone(HERE)
    assert not newest.note(mo(HERE, "motion.selected"), 1.0)
    assert newest.note(mo(THERE, pos=2), 1.0)
    assert seen(newest.since(0.0, 1.0)) == [2]


def test_it_keeps_no_more_than_the_newest() -> None:
    newest = Newest()
    for number in range(MOST + 5):
        newest.note(mo(UUID(int=number), pos=number), 1.0)
    assert seen(newest.since(0.0, 1.0)) == list(range(5, MOST + 5))[::-1]
