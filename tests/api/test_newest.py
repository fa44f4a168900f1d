"""The newest motion of a room by value: who comes sees it, silence ends it."""

from uuid import UUID

import msgspec

from api.realtime.newest import MOST, Newest

ANN, BOB = UUID(int=1), UUID(int=2)


def mo(by: UUID, kind: str = "motion.cursor", pos: int = 1) -> bytes:
    return msgspec.json.encode({"op": "mo", "by": by, "type": kind, "pos": pos})


def seen(frames: list[bytes]) -> list[int]:
    return [msgspec.json.decode(frame)["pos"] for frame in frames]


def test_the_latest_of_a_person_and_kind_wins_newest_first() -> None:
    newest = Newest()
    for pos, (by, kind) in enumerate(
        [(ANN, "motion.cursor"), (BOB, "motion.cursor"), (ANN, "motion.typing")]
    ):
        newest.note(mo(by, kind, pos), 1.0)
    newest.note(mo(ANN, "motion.cursor", 9), 2.0)
    assert seen(newest.since(0.0, 2.0)) == [9, 2, 1]
    assert seen(newest.since(1.5, 2.0)) == [9]


def test_silence_ends_cursors_and_typing_but_no_selection() -> None:
    newest = Newest()
    for pos, kind in enumerate(("motion.cursor", "motion.typing", "motion.selected")):
        newest.note(mo(ANN, kind, pos), 100.0)
    assert seen(newest.since(0.0, 105.9)) == [2, 1, 0]
    assert seen(newest.since(0.0, 106.0)) == [2, 0]
    assert seen(newest.since(0.0, 110.0)) == [2]


def test_who_leaves_takes_their_motion_along() -> None:
    newest = Newest()
    newest.note(mo(ANN), 1.0)
    newest.note(mo(BOB, pos=2), 1.0)
    newest.gone(ANN)
    assert seen(newest.since(0.0, 1.0)) == [2]


def test_it_keeps_no_more_than_the_newest() -> None:
    newest = Newest()
    for number in range(MOST + 5):
        newest.note(mo(UUID(int=number), pos=number), 1.0)
    assert seen(newest.since(0.0, 1.0)) == list(range(5, MOST + 5))[::-1]
