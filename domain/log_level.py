"""Log levels: what operators had the processes write for a while. No rule looks back."""

import re
from datetime import timedelta
from uuid import UUID, uuid5

import msgspec

from domain.errors import Invalid
from domain.kernel import Command, Decider, Event

SPACE = UUID("b0a5c7e4-3d0e-5d0b-8a57-6e2b9c41f5a2")
LEVELS = ("debug", "info", "warning", "error")
LONGEST = timedelta(days=1)  # what is wanted for longer is a setting
LOGGER = re.compile(r"[A-Za-z0-9_.-]{0,100}")


class LevelSet(Event, frozen=True, kw_only=True, tag="log_level.set.v1"):
    """For `seconds`, after which the settings' level comes back by itself; 0: at once."""

    logger: str  # and those below it; empty: all
    level: str
    seconds: int


class SetLevel(Command, frozen=True, kw_only=True, tag="set_log_level"):
    logger: str
    level: str
    seconds: int


class LogLevel(msgspec.Struct, frozen=True):
    """Nothing is remembered."""


def log_level_stream(logger: str) -> UUID:
    return uuid5(SPACE, logger)


def decide(command: SetLevel, _state: LogLevel) -> list[LevelSet]:
    if not LOGGER.fullmatch(command.logger):
        raise Invalid("log_level.bad_logger")
    if command.level not in LEVELS:
        raise Invalid("log_level.bad_level", known=" ".join(LEVELS))
    if not 0 <= command.seconds <= LONGEST.total_seconds():
        raise Invalid("log_level.bad_time", most=int(LONGEST.total_seconds()))
    return [LevelSet(logger=command.logger, level=command.level, seconds=command.seconds)]


def evolve(state: LogLevel, _event: LevelSet) -> LogLevel:
    return state


LOG_LEVEL = Decider(
    name="log_level",
    initial=LogLevel(),
    decide=decide,
    evolve=evolve,
    events=(LevelSet,),
)
