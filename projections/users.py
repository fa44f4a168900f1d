"""users: people, their role and whether they may still come in."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never
from uuid import UUID

import msgspec

from domain.kernel import Recorded
from domain.user import (
    USER,
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
from projections.model import Projection, Rows, Table, Write
from projections.rows import FIRST_NAME, fetch_all, fetch_one

USERS = Table(
    name="users",
    columns={
        "id": "uuid NOT NULL",
        "email": "text NOT NULL",
        "name": "text NOT NULL",
        "role": "text NOT NULL",
        "department": "text NOT NULL",
        "status": "text NOT NULL",
        "created_at": "timestamptz NOT NULL",
        "version": "bigint NOT NULL",
        "position": "bigint NOT NULL",
    },
    key=("id",),
    indexes=("(name, id)", "(department, name, id)"),
)


class UserRow(msgspec.Struct, frozen=True):
    """A person. `version` is the stream's, `position` that of its last event."""

    id: UUID
    email: str
    name: str
    role: str
    department: str
    status: str
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
                "created_at": event.at,
            }
        case UserProfileChanged(name=name, department=department):
            return {"name": name, "department": department}
        case UserEmailChanged(email=email):
            return {"email": email}
        case UserRoleChanged(role=role):
            return {"role": role.value}
        case UserDeactivated():
            return {"status": UserStatus.DEACTIVATED.value}
        case UserReactivated():
            return {"status": UserStatus.ACTIVE.value}
        case PasswordSet():
            return {}
        case _:
            assert_never(event)


async def get_user(db: Connection, user: UUID) -> UserRow | None:
    return await fetch_one(
        db,
        UserRow,
        "SELECT id, email, name, role, department, status, created_at, version, position"
        " FROM users WHERE id = %(id)s",
        {"id": user},
    )


async def list_users(
    db: Connection,
    *,
    role: Role | None = None,
    status: UserStatus | None = None,
    department: str | None = None,
    search: str | None = None,
    after: tuple[str, UUID] | None = None,
    limit: int = 50,
) -> list[UserRow]:
    """People by (name, id), which is also the key to go on `after`.

    `search` is looked for in names and addresses, whatever its case.
    """
    name, last = after or FIRST_NAME
    return await fetch_all(
        db,
        UserRow,
        "SELECT id, email, name, role, department, status, created_at, version, position"
        " FROM users WHERE (name, id) > (%(name)s, %(last)s)"
        " AND (%(role)s::text IS NULL OR role = %(role)s)"
        " AND (%(status)s::text IS NULL OR status = %(status)s)"
        " AND (%(department)s::text IS NULL OR department = %(department)s)"
        " AND (%(search)s::text IS NULL OR strpos(lower(name), lower(%(search)s)) > 0"
        "  OR strpos(lower(email), lower(%(search)s)) > 0)"
        " ORDER BY name, id LIMIT %(limit)s",
        {
            "role": role,
            "status": status,
            "department": department,
            "search": search,
            "name": name,
            "last": last,
            "limit": limit,
        },
    )


PROJECTION = Projection(
    name="users",
    group="queries",
    version=1,
    tables=(USERS,),
    events=USER.events,
    project=project,
)
