import pytest

from domain.errors import Invalid
from domain.log_level import LOG_LEVEL, LevelSet, LogLevel, SetLevel


def test_what_operators_set_is_put_on_record() -> None:
    command = SetLevel(logger="infra.eventstore", level="debug", seconds=900)
    event = LevelSet(logger="infra.eventstore", level="debug", seconds=900)
    assert LOG_LEVEL.decide(command, LogLevel()) == [event]


@pytest.mark.parametrize(
    ("logger", "level", "seconds", "code"),
    [
        ("a b", "debug", 1, "log_level.bad_logger"),
        ("a" * 101, "debug", 1, "log_level.bad_logger"),
        ("a\x00", "debug", 1, "log_level.bad_logger"),
        ("", "loud", 1, "log_level.bad_level"),
        ("", "debug", -1, "log_level.bad_time"),
        ("", "debug", 86_401, "log_level.bad_time"),
    ],
)
def test_nonsense_is_refused(logger: str, level: str, seconds: int, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        LOG_LEVEL.decide(SetLevel(logger=logger, level=level, seconds=seconds), LogLevel())
    assert refused.value.code == code
