"""digests: up to where each person's notices were collected, and whose digest is due."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

import msgspec

from domain.digest import DIGEST, DigestStarted
from domain.kernel import Recorded
from infra.db import Connection
from projections.model import Projection, Row, Table, Upsert, Write
from projections.rows import FIRST_ID, fetch_all

DIGESTS = Table(
    name="digests",
    columns={"user_id": "uuid NOT NULL", "upto": "bigint NOT NULL"},
    key=("user_id",),
)

DUE = """
SELECT p.user_id AS "user", due.day, coalesce(d.upto, 0) AS after
FROM unnest(%(zones)s::text[], %(hours)s::smallint[], %(days)s::date[]) due(zone, hour, day)
JOIN preferences p ON p.zone = due.zone AND p.digest_hour = due.hour
LEFT JOIN digests d ON d.user_id = p.user_id
WHERE p.user_id > %(after)s AND EXISTS (
    SELECT FROM notifications n
    WHERE n.user_id = p.user_id AND n.email = 'daily' AND n.read_at IS NULL
        AND n.position > coalesce(d.upto, 0)
)
ORDER BY p.user_id LIMIT %(limit)s
"""


class Hour(msgspec.Struct, frozen=True):
    """One that has come in a zone, on a day there."""

    zone: str
    hour: int
    day: date


class DueRow(msgspec.Struct, frozen=True):
    """Somebody who has not read all that came `after` the last digest."""

    user: UUID
    day: date
    after: int


def project(batch: Sequence[Recorded[DigestStarted]]) -> list[Write]:
    upto: dict[UUID, int] = {}
    for recorded in batch:
        event = recorded.event
        upto[event.user] = max(event.upto, upto.get(event.user, 0))
    rows: list[Row] = [{"user_id": user, "upto": position} for user, position in upto.items()]
    return [Upsert(DIGESTS, rows, newest="upto")]


async def due_digests(
    db: Connection, hours: Sequence[Hour], after: UUID | None = None, limit: int = 50
) -> list[DueRow]:
    """Whose hour it is and who has something unread that is mailed daily, by their ids."""
    return await fetch_all(
        db,
        DueRow,
        DUE,
        {
            "zones": [one.zone for one in hours],
            "hours": [one.hour for one in hours],
            "days": [one.day for one in hours],
            "after": after or FIRST_ID,
            "limit": limit,
        },
    )


PROJECTION = Projection(
    name="digests",
    group="queries",
    version=1,
    tables=(DIGESTS,),
    events=DIGEST.events,
    project=project,
)
