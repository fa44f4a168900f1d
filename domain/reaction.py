"""Reactions: who answered a task or a comment with which emoji. A stream for each of them.

Not of the task's own stream: a reaction must not make somebody's If-Match of the task fail.
"""

import re
from typing import TypeAlias, assert_never
from uuid import UUID, uuid5

import msgspec

from domain.errors import Invalid, WrongState
from domain.kernel import Command, Decider, Event

MAX_KINDS = 20  # different emojis of one thing
MAX_REACTIONS = 1_000  # of one thing

# A short code, or the emoji itself: pictographs, with what joins and colours them.
EMOJI = re.compile(
    "[a-z0-9_+-]{1,32}"
    "|[#*0-9\u00a9\u00ae\u200d\u203c\u2049\u20e3\u2122-\u2bff\u3030\u303d\u3297\u3299\ufe0f"
    "\U0001f000-\U0001faff\U000e0020-\U000e007f]{1,16}"
)


class ReactionAdded(Event, frozen=True, kw_only=True, tag="reaction.added.v1"):
    task: UUID
    comment: UUID | None = None  # None: to the task itself
    by: UUID
    emoji: str


class ReactionRemoved(Event, frozen=True, kw_only=True, tag="reaction.removed.v1"):
    task: UUID
    comment: UUID | None = None
    by: UUID
    emoji: str


class React(Command, frozen=True, kw_only=True, tag="react"):
    task: UUID
    comment: UUID | None = None
    by: UUID
    emoji: str


class Unreact(Command, frozen=True, kw_only=True, tag="unreact"):
    task: UUID
    comment: UUID | None = None
    by: UUID
    emoji: str


ReactionEvent: TypeAlias = ReactionAdded | ReactionRemoved
ReactionCommand: TypeAlias = React | Unreact


class Reactions(msgspec.Struct, frozen=True):
    """Each person reacts once with each emoji."""

    given: frozenset[tuple[UUID, str]] = frozenset()


def reaction_stream(task: UUID, comment: UUID | None) -> UUID:
    return uuid5(task, f"reactions {comment or ''}")


def decide(command: ReactionCommand, reactions: Reactions) -> list[ReactionEvent]:
    there = (command.by, command.emoji) in reactions.given
    match command:
        case React():
            return [] if there else [_added(command, reactions)]
        case Unreact(task=task, comment=comment, by=by, emoji=emoji):
            if not there:
                return []
            return [ReactionRemoved(task=task, comment=comment, by=by, emoji=emoji)]
        case _:
            assert_never(command)


def _added(command: React, reactions: Reactions) -> ReactionAdded:
    emoji = command.emoji
    if not EMOJI.fullmatch(emoji):
        raise Invalid("reaction.bad_emoji", emoji=emoji[:40])
    kinds = {other for _, other in reactions.given} | {emoji}
    if len(kinds) > MAX_KINDS or len(reactions.given) >= MAX_REACTIONS:
        raise WrongState("reaction.too_many", kinds=MAX_KINDS, most=MAX_REACTIONS)
    return ReactionAdded(task=command.task, comment=command.comment, by=command.by, emoji=emoji)


def evolve(reactions: Reactions, event: ReactionEvent) -> Reactions:
    one = frozenset({(event.by, event.emoji)})
    match event:
        case ReactionAdded():
            return Reactions(reactions.given | one)
        case ReactionRemoved():
            return Reactions(reactions.given - one)
        case _:
            assert_never(event)


REACTION = Decider(
    name="reaction",
    initial=Reactions(),
    decide=decide,
    evolve=evolve,
    events=(ReactionAdded, ReactionRemoved),
)
