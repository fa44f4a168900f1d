"""Upkeep: what operators do to a read model, and what a check of it found. No rule looks back."""

from typing import TypeAlias, assert_never
from uuid import UUID, uuid5

import msgspec

from domain.kernel import Command, Decider, Event
from domain.text import checked, no_nul

SPACE = UUID("5f0a3f0e-6c0b-5d53-9c0d-2f6f2a1f8b7e")
MAX_REASON = 500  # characters


class RebuildAsked(Event, frozen=True, kw_only=True, tag="upkeep.rebuild_asked.v1"):
    projection: str


class RollbackAsked(Event, frozen=True, kw_only=True, tag="upkeep.rollback_asked.v1"):
    projection: str


class RetryAsked(Event, frozen=True, kw_only=True, tag="upkeep.retry_asked.v1"):
    projection: str
    at: int  # position of the dead letter


class SkipAsked(Event, frozen=True, kw_only=True, tag="upkeep.skip_asked.v1"):
    projection: str
    at: int  # position of the dead letter
    reason: str


class Checked(Event, frozen=True, kw_only=True, tag="upkeep.checked.v1"):
    """`rows`: compared at position `at`; `keys`: some of those that differ, as JSON.

    `shown`: the first of them whole, as JSON: what serves, and what the rebuild made.
    """

    projection: str
    at: int
    rows: int
    differences: int = 0
    keys: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


class AskRebuild(Command, frozen=True, kw_only=True, tag="ask_rebuild"):
    projection: str


class AskRollback(Command, frozen=True, kw_only=True, tag="ask_rollback"):
    projection: str


class AskRetry(Command, frozen=True, kw_only=True, tag="ask_retry"):
    projection: str
    at: int


class AskSkip(Command, frozen=True, kw_only=True, tag="ask_skip"):
    projection: str
    at: int
    reason: str


class NoteCheck(Command, frozen=True, kw_only=True, tag="note_check"):
    projection: str
    at: int
    rows: int
    differences: int = 0
    keys: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


UpkeepEvent: TypeAlias = RebuildAsked | RollbackAsked | RetryAsked | SkipAsked | Checked
UpkeepCommand: TypeAlias = AskRebuild | AskRollback | AskRetry | AskSkip | NoteCheck


class Upkeep(msgspec.Struct, frozen=True):
    """Nothing is remembered."""


def upkeep_stream(projection: str) -> UUID:
    return uuid5(SPACE, projection)


def decide(command: UpkeepCommand, _upkeep: Upkeep) -> list[UpkeepEvent]:
    no_nul(command.projection)
    match command:
        case AskRebuild(projection=projection):
            return [RebuildAsked(projection=projection)]
        case AskRollback(projection=projection):
            return [RollbackAsked(projection=projection)]
        case AskRetry(projection=projection, at=at):
            return [RetryAsked(projection=projection, at=at)]
        case AskSkip(projection=projection, at=at, reason=reason):
            reason = checked(reason, "upkeep.bad_reason", MAX_REASON)
            return [SkipAsked(projection=projection, at=at, reason=reason)]
        case NoteCheck(keys=keys, shown=shown):
            no_nul("".join((*keys, *shown)))
            return [Checked(**msgspec.structs.asdict(command))]
        case _:
            assert_never(command)


def evolve(upkeep: Upkeep, _event: UpkeepEvent) -> Upkeep:
    return upkeep


UPKEEP = Decider(
    name="upkeep",
    initial=Upkeep(),
    decide=decide,
    evolve=evolve,
    events=(RebuildAsked, RollbackAsked, RetryAsked, SkipAsked, Checked),
)
