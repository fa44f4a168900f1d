from uuid import UUID

import pytest

from domain import reaction
from domain.errors import WrongState
from domain.reaction import REACTION, React, ReactionAdded, ReactionRemoved, Reactions, Unreact
from tests.dsl import check, refused

ANN, BOB, T1, C1 = UUID(int=1), UUID(int=2), UUID(int=21), UUID(int=31)
UP = "\N{THUMBS UP SIGN}"
LIKED = ReactionAdded(task=T1, comment=C1, by=ANN, emoji=UP)


def react(emoji: str = UP, by: UUID = ANN) -> React:
    return React(task=T1, comment=C1, by=by, emoji=emoji)


def test_a_person_reacts_once_with_each_emoji() -> None:
    check(REACTION, given=[], when=react(), then=[LIKED])
    check(REACTION, given=[LIKED], when=react(), then=[])
    by_bob = ReactionAdded(task=T1, comment=C1, by=BOB, emoji=UP)
    check(REACTION, given=[LIKED], when=react(by=BOB), then=[by_bob])


def test_a_reaction_is_taken_back_once() -> None:
    back = Unreact(task=T1, comment=C1, by=ANN, emoji=UP)
    gone = ReactionRemoved(task=T1, comment=C1, by=ANN, emoji=UP)
    check(REACTION, given=[LIKED], when=back, then=[gone])
    check(REACTION, given=[LIKED, gone], when=back, then=[])
    check(REACTION, given=[LIKED, gone], when=react(), then=[LIKED])


@pytest.mark.parametrize("emoji", ["+1", "tada", "👩🏽‍💻", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "❤️", "🇪🇺", "‼️"])
def test_an_emoji_or_its_short_code_will_do(emoji: str) -> None:
    added = ReactionAdded(task=T1, comment=C1, by=ANN, emoji=emoji)
    check(REACTION, given=[], when=react(emoji), then=[added])


@pytest.mark.parametrize(
    "emoji", ["", " ", "Tada", "two words", "é", "日", "<b>", "x" * 33, UP * 17, "\x00", "\u202e"]
)
def test_no_other_text_will(emoji: str) -> None:
    check(REACTION, given=[], when=react(emoji), then=refused("reaction.bad_emoji"))


def test_there_is_an_end_to_emojis_and_to_people() -> None:
    kinds = Reactions(frozenset((BOB, f"e{n}") for n in range(reaction.MAX_KINDS)))
    assert reaction.decide(react("e1"), kinds)
    with pytest.raises(WrongState, match=r"reaction\.too_many"):
        reaction.decide(react("one-more"), kinds)
    people = Reactions(frozenset((UUID(int=n), UP) for n in range(2, reaction.MAX_REACTIONS + 2)))
    with pytest.raises(WrongState, match=r"reaction\.too_many"):
        reaction.decide(react(), people)
