"""projects and project_members: what is worked on, and by whom in which role."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import LiteralString, assert_never
from uuid import UUID

import msgspec

from domain.kernel import Recorded
from domain.priority import Priority
from domain.project import (
    PROJECT,
    MemberAdded,
    MemberRemoved,
    MemberRoleChanged,
    ProjectChanged,
    ProjectCreated,
    ProjectEvent,
    ProjectManagerChanged,
    ProjectStatus,
    ProjectStatusChanged,
)
from infra.db import Connection
from projections.filters import given, prefixes
from projections.model import Projection, Rows, Table, Write
from projections.rows import FIRST_ID, NEWEST, Source, fetch_all, fetch_one

WORDS: LiteralString = (
    "to_tsvector('simple', translate(name || ' ' || description, '@.-_+/', '      '))"
)
PROJECTS = Table(
    name="projects",
    columns={
        "id": "uuid NOT NULL",
        "name": "text NOT NULL",
        "description": "text NOT NULL",
        "type": "text NOT NULL",
        "status": "text NOT NULL",
        "priority": "text NOT NULL",
        "client": "uuid",
        "manager": "uuid NOT NULL",
        "starts": "date",
        "ends": "date",
        "created_at": "timestamptz NOT NULL",
        "version": "bigint NOT NULL",
        "position": "bigint NOT NULL",
    },
    key=("id",),
    indexes=(
        "(created_at, id)",
        "(status, created_at, id)",
        "(priority, created_at, id)",
        "(type, created_at, id)",
        "(client, created_at, id) WHERE client IS NOT NULL",
        "(manager, created_at, id)",
        "(starts) WHERE starts IS NOT NULL",
        "(ends) WHERE ends IS NOT NULL",
        f"USING gin ({WORDS})",
    ),
)
PROJECT_MEMBERS = Table(
    name="project_members",
    columns={"project": "uuid NOT NULL", "user_id": "uuid NOT NULL", "role": "text NOT NULL"},
    key=("project", "user_id"),
    indexes=("(user_id, project)",),
)

SELECT: LiteralString = (
    "SELECT id, name, description, type, status, priority, client, manager, starts, ends,"
    " created_at, version, position FROM projects p"
)
FILTERS: dict[str, LiteralString] = {
    "status": "status = %(status)s",
    "priority": "priority = %(priority)s",
    "type": "type = %(type)s",
    "client": "client = %(client)s",
    "manager": "manager = %(manager)s",
    "starts_before": "starts < %(starts_before)s",
    "starts_after": "starts > %(starts_after)s",
    "ends_before": "ends < %(ends_before)s",
    "ends_after": "ends > %(ends_after)s",
    "member": "EXISTS (SELECT FROM project_members m"
    " WHERE m.user_id = %(member)s AND m.project = p.id)",
    "search": WORDS + " @@ to_tsquery('simple', %(search)s)",
}


class ProjectRow(msgspec.Struct, frozen=True):
    """A project. `version` is the stream's, `position` that of its last event."""

    id: UUID
    name: str
    description: str
    type: str
    status: str
    priority: str
    client: UUID | None
    manager: UUID
    starts: date | None
    ends: date | None
    created_at: datetime
    version: int
    position: int


class ProjectMemberRow(msgspec.Struct, frozen=True):
    """Somebody's role in a project."""

    project: UUID
    user_id: UUID
    role: str


def project(batch: Sequence[Recorded[ProjectEvent]]) -> list[Write]:
    projects, members = Rows(PROJECTS), Rows(PROJECT_MEMBERS)
    for recorded in batch:
        projects.put(
            id=recorded.stream,
            version=recorded.version,
            position=recorded.position,
            **_changes(recorded.event),
        )
        match recorded.event:
            case MemberAdded(user=user, role=role) | MemberRoleChanged(user=user, role=role):
                members.put(project=recorded.stream, user_id=user, role=role.value)
            case MemberRemoved(user=user):
                members.delete(recorded.stream, user)
            case _:
                continue
    return projects.writes() + members.writes()


def _changes(event: ProjectEvent) -> dict[str, object]:
    match event:
        case ProjectCreated():
            return {
                "name": event.name,
                "description": event.description,
                "type": event.type,
                "status": ProjectStatus.PLANNING.value,
                "priority": event.priority.value,
                "client": event.client,
                "manager": event.manager,
                "starts": event.starts,
                "ends": event.ends,
                "created_at": event.at,
            }
        case ProjectChanged():
            return msgspec.structs.asdict(event)
        case ProjectStatusChanged(status=status):
            return {"status": status.value}
        case ProjectManagerChanged(manager=manager):
            return {"manager": manager}
        case MemberAdded() | MemberRoleChanged() | MemberRemoved():
            return {}
        case _:
            assert_never(event)


async def get_project(db: Connection, project: UUID) -> ProjectRow | None:
    return await fetch_one(
        db,
        ProjectRow,
        f"{SELECT} WHERE id = %(id)s",
        {"id": project},
    )


async def list_projects(
    db: Connection | Source,
    *,
    status: ProjectStatus | None = None,
    priority: Priority | None = None,
    type: str | None = None,  # noqa: A002, the column's name and the filter's
    client: UUID | None = None,
    manager: UUID | None = None,
    starts_before: date | None = None,
    starts_after: date | None = None,
    ends_before: date | None = None,
    ends_after: date | None = None,
    member: UUID | None = None,
    search: str | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[ProjectRow]:
    """Projects, newest first; (created_at, id) is the key to go on `after`.

    The days that are given are not in the range. `member`: those that this person is a member
    of. `search`: the beginnings of words in names and descriptions, whatever their case.
    """
    created_at, last = after or NEWEST
    values: dict[str, object] = {
        "status": status,
        "priority": priority,
        "type": type,
        "client": client,
        "manager": manager,
        "starts_before": starts_before,
        "starts_after": starts_after,
        "ends_before": ends_before,
        "ends_after": ends_after,
        "member": member,
        "search": prefixes(search),
        "created_at": created_at,
        "last": last,
        "limit": limit,
    }
    return await fetch_all(
        db,
        ProjectRow,
        f"{SELECT} WHERE (created_at, id) < (%(created_at)s, %(last)s)"
        f"{given(FILTERS, values)} ORDER BY created_at DESC, id DESC LIMIT %(limit)s",
        values,
    )


async def project_members_of(
    db: Connection, project: UUID, after: UUID | None = None, limit: int = 50
) -> list[ProjectMemberRow]:
    """A project's members, by user."""
    return await fetch_all(
        db,
        ProjectMemberRow,
        "SELECT project, user_id, role FROM project_members"
        " WHERE project = %(project)s AND user_id > %(after)s"
        " ORDER BY user_id LIMIT %(limit)s",
        {"project": project, "after": after or FIRST_ID, "limit": limit},
    )


async def projects_of_user(
    db: Connection, user: UUID, after: UUID | None = None, limit: int = 100
) -> list[UUID]:
    """The projects that a person is a member of, by id."""
    rows = await fetch_all(
        db,
        ProjectMemberRow,
        "SELECT project, user_id, role FROM project_members"
        " WHERE user_id = %(user)s AND project > %(after)s"
        " ORDER BY project LIMIT %(limit)s",
        {"user": user, "after": after or FIRST_ID, "limit": limit},
    )
    return [row.project for row in rows]


PROJECTION = Projection(
    name="projects",
    group="queries",
    version=2,
    tables=(PROJECTS, PROJECT_MEMBERS),
    events=PROJECT.events,
    project=project,
)
