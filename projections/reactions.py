"""reactions: how people answered a task and its comments."""

from collections.abc import Sequence
from typing import assert_never
from uuid import UUID

import msgspec

from domain.kernel import Recorded
from domain.reaction import REACTION, ReactionAdded, ReactionEvent, ReactionRemoved
from infra.db import Connection
from projections.model import Projection, Rows, Table, Write
from projections.rows import fetch_all

SHOWN = 100  # people who are named for an emoji; more are counted

REACTIONS = Table(
    name="reactions",
    columns={
        "task": "uuid NOT NULL",
        "target": "uuid NOT NULL",  # the comment, or the task itself
        "emoji": "text NOT NULL",
        "user_id": "uuid NOT NULL",
        "position": "bigint NOT NULL",
    },
    key=("task", "target", "emoji", "user_id"),
)

TALLY = """
SELECT target, emoji, count(*) AS count, (array_agg(user_id ORDER BY position))[:%(shown)s] AS users
FROM reactions WHERE task = %(task)s AND target = ANY(%(targets)s)
GROUP BY target, emoji ORDER BY min(position) LIMIT %(most)s
"""
MOST = 10_000  # emojis of a page


class Tally(msgspec.Struct, frozen=True):
    """An emoji and who gave it, the first first; `target` is the comment, or the task."""

    target: UUID
    emoji: str
    count: int
    users: list[UUID]


def project(batch: Sequence[Recorded[ReactionEvent]]) -> list[Write]:
    rows = Rows(REACTIONS)
    for recorded in batch:
        event = recorded.event
        target = event.comment or event.task
        match event:
            case ReactionAdded():
                rows.put(
                    task=event.task,
                    target=target,
                    emoji=event.emoji,
                    user_id=event.by,
                    position=recorded.position,
                )
            case ReactionRemoved():
                rows.delete(event.task, target, event.emoji, event.by)
            case _:
                assert_never(event)
    return rows.writes()


async def reactions_to(
    db: Connection, task: UUID, targets: Sequence[UUID]
) -> dict[UUID, list[Tally]]:
    """By target, in the order in which each emoji came up."""
    found = await fetch_all(
        db,
        Tally,
        TALLY,
        {"task": task, "targets": list(targets), "shown": SHOWN, "most": MOST},
    )
    tallies: dict[UUID, list[Tally]] = {}
    for one in found:
        tallies.setdefault(one.target, []).append(one)
    return tallies


PROJECTION = Projection(
    name="reactions",
    group="queries",
    version=1,
    tables=(REACTIONS,),
    events=REACTION.events,
    project=project,
)
