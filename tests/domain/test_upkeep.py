import pytest

from domain.errors import Invalid
from domain.upkeep import (
    UPKEEP,
    AskRebuild,
    AskRetry,
    AskRollback,
    AskSkip,
    Checked,
    NoteCheck,
    RebuildAsked,
    RetryAsked,
    RollbackAsked,
    SkipAsked,
    Upkeep,
    UpkeepCommand,
    UpkeepEvent,
)


@pytest.mark.parametrize(
    ("command", "event"),
    [
        (AskRebuild(projection="tasks"), RebuildAsked(projection="tasks")),
        (AskRollback(projection="tasks"), RollbackAsked(projection="tasks")),
        (AskRetry(projection="tasks", at=7), RetryAsked(projection="tasks", at=7)),
        (
            AskSkip(projection="tasks", at=7, reason=" of an old client "),
            SkipAsked(projection="tasks", at=7, reason="of an old client"),
        ),
        (
            NoteCheck(projection="tasks", at=9, rows=3, differences=1, keys=("tasks [1]",)),
            Checked(projection="tasks", at=9, rows=3, differences=1, keys=("tasks [1]",)),
        ),
    ],
)
def test_what_operators_ask_is_put_on_record(command: UpkeepCommand, event: UpkeepEvent) -> None:
    assert UPKEEP.decide(command, Upkeep()) == [event]


def test_who_skips_says_why() -> None:
    with pytest.raises(Invalid):
        UPKEEP.decide(AskSkip(projection="tasks", at=7, reason=" "), Upkeep())
