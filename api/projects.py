"""/projects: what is worked on, and who belongs to it."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, Router, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK
from msgspec import UNSET, Meta, UnsetType

from api.auth import Caller
from api.call import Call, Done, done
from api.conditions import active_client, active_user
from api.paging import Cursor, Limit, Page, from_cursor, page
from api.reads import shown
from domain.access import Action
from domain.kernel import Command
from domain.priority import Priority
from domain.project import (
    PROJECT,
    AddMember,
    ChangeProject,
    ChangeProjectManager,
    ChangeProjectStatus,
    CreateProject,
    ProjectRole,
    ProjectStatus,
    RemoveMember,
)
from infra.db import Connection
from infra.eventstore.execute import Do
from projections.projects import (
    ProjectMemberRow,
    ProjectRow,
    get_project,
    list_projects,
    project_members_of,
)
from projections.rows import Source
from projections.users import names_of

Name = Annotated[str, Meta(max_length=500, examples=["Website relaunch"])]
Description = Annotated[str, Meta(max_length=50_000)]
ProjectType = Annotated[str, Meta(max_length=100, examples=["internal"])]


class NewProject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    description: Description = ""
    type: ProjectType = ""
    priority: Priority = Priority.NORMAL
    client: UUID | None = None
    manager: UUID | None = None  # null: who creates it
    starts: date | None = None
    ends: date | None = None


class ProjectChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    type: ProjectType | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    client: UUID | UnsetType | None = UNSET
    starts: date | UnsetType | None = UNSET
    ends: date | UnsetType | None = UNSET


class NewStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    status: ProjectStatus


class NewManager(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    manager: UUID


class NewMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: ProjectRole


class Member(ProjectMemberRow, frozen=True):
    """With their name: who works on a project sees with whom, whoever else they may look up."""

    name: str


@get("/", opt={"action": Action.PROJECT_LIST})
async def list_all(
    lists: NamedDependency[Source],
    caller: NamedDependency[Caller],
    status: FromQuery[ProjectStatus | None] = None,
    priority: FromQuery[Priority | None] = None,
    kind: Annotated[str | None, QueryParameter(name="type")] = None,
    client: FromQuery[UUID | None] = None,
    manager: FromQuery[UUID | None] = None,
    starts_before: FromQuery[date | None] = None,
    starts_after: FromQuery[date | None] = None,
    ends_before: FromQuery[date | None] = None,
    ends_after: FromQuery[date | None] = None,
    search: FromQuery[str | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ProjectRow]:
    """All projects for those who may see them all, one's own for everybody else.

    `search`: the beginnings of words in names and descriptions.
    """
    rows = await list_projects(
        lists,
        status=status,
        priority=priority,
        type=kind,
        client=client,
        manager=manager,
        starts_before=starts_before,
        starts_after=starts_after,
        ends_before=ends_before,
        ends_after=ends_after,
        search=search,
        member=None if caller.may(Action.PROJECT_LIST_ALL) else caller.id,
        after=from_cursor(cursor, tuple[datetime, UUID]),
        limit=limit + 1,
    )
    return page(rows, limit, lambda row: (row.created_at, row.id))


@get("/{project:uuid}", opt={"action": Action.PROJECT_READ})
async def get_one(project: FromPath[UUID], db: NamedDependency[Connection]) -> Response[ProjectRow]:
    return shown(await get_project(db, project), "project.not_found")


@post("/", opt={"action": Action.PROJECT_CREATE})
async def create(data: JSONBody[NewProject], call: NamedDependency[Call]) -> Response[Done]:
    project = call.new_id("project")
    manager = data.manager or call.caller.id
    command = CreateProject(
        name=data.name,
        description=data.description,
        type=data.type,
        priority=data.priority,
        client=data.client,
        manager=manager,
        starts=data.starts,
        ends=data.ends,
        at=call.runtime.now(),
    )
    clients = [active_client(data.client)] if data.client else []
    return await _do(call, project, command, active_user(manager), *clients, created=True)


@patch("/{project:uuid}", opt={"action": Action.PROJECT_CHANGE})
async def change(
    project: FromPath[UUID], data: JSONBody[ProjectChanges], call: NamedDependency[Call]
) -> Response[Done]:
    command = ChangeProject(
        name=data.name,
        description=data.description,
        type=data.type,
        priority=data.priority,
        client=data.client,
        starts=data.starts,
        ends=data.ends,
    )
    clients = [active_client(data.client)] if isinstance(data.client, UUID) else []
    return await _do(call, project, command, *clients)


@put("/{project:uuid}/status", opt={"action": Action.PROJECT_CHANGE})
async def change_status(
    project: FromPath[UUID], data: JSONBody[NewStatus], call: NamedDependency[Call]
) -> Response[Done]:
    return await _do(call, project, ChangeProjectStatus(status=data.status))


@put("/{project:uuid}/manager", opt={"action": Action.PROJECT_CHANGE})
async def change_manager(
    project: FromPath[UUID], data: JSONBody[NewManager], call: NamedDependency[Call]
) -> Response[Done]:
    command = ChangeProjectManager(manager=data.manager)
    return await _do(call, project, command, active_user(data.manager))


@get("/{project:uuid}/members", opt={"action": Action.PROJECT_READ})
async def list_members(
    project: FromPath[UUID],
    db: NamedDependency[Connection],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Member]:
    rows = await project_members_of(db, project, from_cursor(cursor, UUID), limit + 1)
    names = await names_of(db, [row.user_id for row in rows])
    members = [
        Member(**msgspec.structs.asdict(row), name=names.get(row.user_id, "")) for row in rows
    ]
    return page(members, limit, lambda row: row.user_id)


@put("/{project:uuid}/members/{user:uuid}", opt={"action": Action.PROJECT_MEMBERS})
async def set_member(
    project: FromPath[UUID],
    user: FromPath[UUID],
    data: JSONBody[NewMember],
    call: NamedDependency[Call],
) -> Response[Done]:
    """Adds somebody, or changes the role they have."""
    return await _do(call, project, AddMember(user=user, role=data.role), active_user(user))


@delete(
    "/{project:uuid}/members/{user:uuid}",
    status_code=HTTP_200_OK,
    opt={"action": Action.PROJECT_MEMBERS},
)
async def remove_member(
    project: FromPath[UUID], user: FromPath[UUID], call: NamedDependency[Call]
) -> Response[Done]:
    return await _do(call, project, RemoveMember(user=user))


async def _do(
    call: Call, project: UUID, command: Command, *also: Do, created: bool = False
) -> Response[Done]:
    outcome = await call.execute(PROJECT, project, command, *also, project=project)
    return done(outcome, project, created=created)


projects = Router(
    "/projects",
    route_handlers=[
        list_all,
        get_one,
        create,
        change,
        change_status,
        change_manager,
        list_members,
        set_member,
        remove_member,
    ],
    tags=["projects"],
)
