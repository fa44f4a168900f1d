"""notifications: what each person was told, newest first, and what they have read."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, assert_never
from uuid import UUID

import msgspec

from domain.kernel import Recorded
from domain.notification import NOTIFICATION, NotificationEvent, NotificationRead, NotificationSent
from infra.db import Connection
from projections.model import Projection, Rows, Table, Write
from projections.rows import NEWEST_POSITION, fetch_all

NOTIFICATIONS = Table(
    name="notifications",
    columns={
        "id": "uuid NOT NULL",
        "user_id": "uuid NOT NULL",
        "kind": "text NOT NULL",
        "title": "text NOT NULL",
        "body": "text NOT NULL",
        "link": "text NOT NULL",
        "level": "text NOT NULL",
        "project": "uuid",
        "mail_only": "boolean NOT NULL",
        "email": "text NOT NULL",
        "created_at": "timestamptz NOT NULL",
        "read_at": "timestamptz",
        "position": "bigint NOT NULL",
    },
    key=("id",),
    indexes=(
        "(user_id, position) WHERE NOT mail_only",
        "(user_id, position) WHERE NOT mail_only AND read_at IS NULL",
        "(user_id, position) WHERE email = 'daily' AND read_at IS NULL",
        "(project, position) WHERE project IS NOT NULL",
    ),
)


class NotificationRow(msgspec.Struct, frozen=True):
    """A notification. `position` is where it was sent."""

    id: UUID
    user_id: UUID
    kind: str
    title: str
    body: str
    link: str
    level: str
    project: UUID | None
    created_at: datetime
    read_at: datetime | None
    position: int


def project(batch: Sequence[Recorded[NotificationEvent]]) -> list[Write]:
    rows = Rows(NOTIFICATIONS)
    for recorded in batch:
        event = recorded.event
        match event:
            case NotificationSent():
                rows.put(
                    id=recorded.stream,
                    user_id=event.user,
                    kind=event.kind,
                    title=event.title,
                    body=event.body,
                    link=event.link,
                    level=event.level,
                    project=event.project,
                    mail_only=event.mail_only,
                    email=event.email.value,
                    created_at=event.at,
                    read_at=None,
                    position=recorded.position,
                )
            case NotificationRead(at=at):
                rows.put(id=recorded.stream, read_at=at)
            case _:
                assert_never(event)
    return rows.writes()


SELECT: LiteralString = (
    "SELECT id, user_id, kind, title, body, link, level, project, created_at, read_at, position"
    " FROM notifications"
)


async def notifications_of(
    db: Connection,
    user: UUID,
    *,
    unread: bool = False,
    after: int | None = None,
    limit: int = 50,
) -> list[NotificationRow]:
    """A person's notifications, newest first, by position. `unread`: only those not read yet."""
    only: LiteralString = " AND read_at IS NULL" if unread else ""
    return await fetch_all(
        db,
        NotificationRow,
        f"{SELECT} WHERE user_id = %(user)s AND NOT mail_only AND position < %(after)s{only}"
        " ORDER BY position DESC LIMIT %(limit)s",
        {"user": user, "after": NEWEST_POSITION if after is None else after, "limit": limit},
    )


async def unread_daily(
    db: Connection, user: UUID, kinds: Sequence[str], *, after: int, upto: int, limit: int
) -> list[NotificationRow]:
    """What a person has not read of those kinds that are mailed daily, newest first.

    Of what was sent after one position and up to another.
    """
    return await fetch_all(
        db,
        NotificationRow,
        f"{SELECT} WHERE user_id = %(user)s AND email = 'daily' AND read_at IS NULL"
        " AND position > %(after)s AND position <= %(upto)s AND kind = ANY(%(kinds)s)"
        " ORDER BY position DESC LIMIT %(limit)s",
        {"user": user, "kinds": list(kinds), "after": after, "upto": upto, "limit": limit},
    )


PROJECTION = Projection(
    name="notifications",
    group="queries",
    version=3,
    tables=(NOTIFICATIONS,),
    events=NOTIFICATION.events,
    project=project,
)
