"""Why something happened and what came of it: the tree of causes and effects of an event."""

from datetime import datetime
from uuid import UUID

import msgspec

from infra.db import Connection
from projections.rows import fetch_all

MOST = 1_000  # events of a tree
DEEPEST = 100  # causes in a row

# A cause is a position, or a command: then that command's first event.
UP = """
WITH RECURSIVE up AS (
    SELECT position, causation, 0 AS depth FROM audit WHERE position = %(position)s
    UNION ALL
    SELECT a.position, a.causation, up.depth - 1 FROM up JOIN audit a ON a.position = CASE
        WHEN up.causation ~ '^[0-9]+$' THEN up.causation::bigint
        ELSE (SELECT f.notification_id FROM formula_events f
              WHERE f.command_id = up.causation::uuid) END
    WHERE up.causation IS NOT NULL AND up.depth > -%(deepest)s
)
SELECT up.depth, lead(up.position) OVER (ORDER BY up.depth DESC) AS cause, a.position, a.at,
    a.actor, a.command, a.type, a.subject, a.project
FROM up JOIN audit a USING (position) ORDER BY up.depth LIMIT %(most)s
"""

DOWN = """
WITH RECURSIVE down AS (
    SELECT %(position)s::bigint AS position, 0 AS depth, NULL::bigint AS cause
    UNION ALL
    SELECT a.position, down.depth + 1, down.position FROM down JOIN audit a ON a.causation IN (
        down.position::text,
        (SELECT f.command_id::text FROM formula_events f WHERE f.notification_id = down.position))
    WHERE down.depth < %(deepest)s
)
SELECT down.depth, down.cause, a.position, a.at, a.actor, a.command, a.type, a.subject, a.project
FROM (SELECT * FROM down LIMIT %(most)s) down JOIN audit a USING (position)
WHERE down.depth > 0 ORDER BY down.depth, a.position
"""


class Node(msgspec.Struct, frozen=True):
    """An event; `depth` below the one that was asked for, negative for its causes."""

    depth: int
    cause: int | None  # position of the event that led to it
    position: int
    at: datetime
    actor: UUID | None
    command: str
    type: str
    subject: UUID
    project: UUID | None


async def tree(db: Connection, position: int) -> list[Node]:
    """The first cause first, then the event at `position`, then its effects by depth; at most MOST.

    Empty if there is no such event.
    """
    values = {"position": position, "deepest": DEEPEST, "most": MOST}
    causes = await fetch_all(db, Node, UP, values)
    return causes + (await fetch_all(db, Node, DOWN, values) if causes else [])
