"""users: people, their role and whether they may still come in."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, assert_never
from uuid import UUID

import msgspec

from domain.entry import (
    ApiKeyCreated,
    ApiKeyRevoked,
    RefreshTokenReused,
    UserSignedOut,
    UserSignedOutEverywhere,
)
from domain.kernel import Recorded
from domain.user import (
    USER,
    EmailVerified,
    PasswordSet,
    Role,
    UserDeactivated,
    UserEmailChanged,
    UserEvent,
    UserProfileChanged,
    UserReactivated,
    UserRegistered,
    UserRoleChanged,
    UserStatus,
)
from infra.db import Connection
from projections.filters import given, prefixes
from projections.model import Projection, Rows, Table, Write
from projections.rows import FIRST_NAME, Source, fetch_all, fetch_one

WORDS: LiteralString = "to_tsvector('simple', translate(name || ' ' || email, '@.-_+/', '      '))"
USERS = Table(
    name="users",
    columns={
        "id": "uuid NOT NULL",
        "email": "text NOT NULL",
        "name": "text NOT NULL",
        "role": "text NOT NULL",
        "department": "text NOT NULL",
        "status": "text NOT NULL",
        "email_verified": "boolean NOT NULL",
        "created_at": "timestamptz NOT NULL",
        "version": "bigint NOT NULL",
        "position": "bigint NOT NULL",
    },
    key=("id",),
    indexes=(
        "(name, id)",
        "(role, name, id)",
        "(status, name, id)",
        "(department, name, id)",
        "(email)",
        "(created_at, id)",
        f"USING gin ({WORDS})",
    ),
)

SELECT: LiteralString = (
    "SELECT id, email, name, role, department, status, email_verified, created_at, version,"
    " position FROM users"
)
FILTERS: dict[str, LiteralString] = {
    "role": "role = %(role)s",
    "status": "status = %(status)s",
    "department": "department = %(department)s",
    "email": "email = %(email)s",
    "search": WORDS + " @@ to_tsquery('simple', %(search)s)",
}


class UserRow(msgspec.Struct, frozen=True):
    """A person. `version` is the stream's, `position` that of its last event."""

    id: UUID
    email: str
    name: str
    role: str
    department: str
    status: str
    email_verified: bool
    created_at: datetime
    version: int
    position: int


def project(batch: Sequence[Recorded[UserEvent]]) -> list[Write]:
    rows = Rows(USERS)
    for recorded in batch:
        rows.put(
            id=recorded.stream,
            version=recorded.version,
            position=recorded.position,
            **_changes(recorded.event),
        )
    return rows.writes()


def _changes(event: UserEvent) -> dict[str, object]:
    match event:
        case UserRegistered():
            return {
                "email": event.email,
                "name": event.name,
                "role": event.role.value,
                "department": event.department,
                "status": UserStatus.ACTIVE.value,
                "email_verified": False,
                "created_at": event.at,
            }
        case UserProfileChanged(name=name, department=department):
            return {"name": name, "department": department}
        case UserEmailChanged(email=email):
            return {"email": email, "email_verified": False}
        case EmailVerified():
            return {"email_verified": True}
        case UserRoleChanged(role=role):
            return {"role": role.value}
        case UserDeactivated():
            return {"status": UserStatus.DEACTIVATED.value}
        case UserReactivated():
            return {"status": UserStatus.ACTIVE.value}
        case (
            PasswordSet()
            | UserSignedOut()
            | RefreshTokenReused()
            | UserSignedOutEverywhere()
            | ApiKeyCreated()
            | ApiKeyRevoked()
        ):
            return {}
        case _:
            assert_never(event)


async def get_user(db: Connection, user: UUID) -> UserRow | None:
    return await fetch_one(
        db,
        UserRow,
        f"{SELECT} WHERE id = %(id)s",
        {"id": user},
    )


async def list_users(
    db: Connection | Source,
    *,
    role: Role | None = None,
    status: UserStatus | None = None,
    department: str | None = None,
    email: str | None = None,
    search: str | None = None,
    after: tuple[str, UUID] | None = None,
    limit: int = 50,
) -> list[UserRow]:
    """People by (name, id), which is also the key to go on `after`.

    `search`: the beginnings of words in names and addresses, whatever their case.
    """
    name, last = after or FIRST_NAME
    values: dict[str, object] = {
        "role": role,
        "status": status,
        "department": department,
        "email": email,
        "search": prefixes(search),
        "name": name,
        "last": last,
        "limit": limit,
    }
    return await fetch_all(
        db,
        UserRow,
        f"{SELECT} WHERE (name, id) > (%(name)s, %(last)s){given(FILTERS, values)}"
        " ORDER BY name, id LIMIT %(limit)s",
        values,
    )


async def names_of(db: Connection, users: Sequence[UUID]) -> dict[UUID, str]:
    """By person; who is not known yet has none."""
    rows = await fetch_all(
        db, UserRow, f"{SELECT} WHERE id = ANY(%(ids)s) ORDER BY id", {"ids": list(users)}
    )
    return {row.id: row.name for row in rows}


async def active_users(db: Connection, after: UUID, limit: int) -> list[UserRow]:
    """All of them, page by page: by what nobody can change meanwhile, as one's name."""
    return await fetch_all(
        db,
        UserRow,
        f"{SELECT} WHERE status = 'active' AND id > %(after)s ORDER BY id LIMIT %(limit)s",
        {"after": after, "limit": limit},
    )


async def count_users(db: Connection, status: UserStatus) -> int:
    """How many there are of that status."""
    cursor = await db.execute("SELECT count(*) FROM users WHERE status = %s", (status.value,))
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


PROJECTION = Projection(
    name="users",
    group="queries",
    version=3,
    tables=(USERS,),
    events=USER.events,
    project=project,
)
