"""Project: what is worked on, by whom, and who may do what in it."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domain.errors import Invalid, NotFound, WrongState
from domain.kernel import Command, Decider, Event
from domain.priority import Priority
from domain.text import checked

MAX_NAME = 200  # characters
MAX_DESCRIPTION = 20_000  # characters
MAX_TYPE = 40  # characters
MAX_MEMBERS = 1_000


class ProjectStatus(StrEnum):
    PLANNING = "planning"
    ACTIVE = "active"
    ON_HOLD = "on_hold"
    COMPLETED = "completed"
    ARCHIVED = "archived"


class ProjectRole(StrEnum):
    MANAGER = "manager"
    CONTRIBUTOR = "contributor"
    VIEWER = "viewer"


class ProjectCreated(Event, frozen=True, kw_only=True, tag="project.created.v1"):
    name: str
    description: str = ""
    type: str = ""
    priority: Priority = Priority.NORMAL
    client: UUID | None = None
    manager: UUID
    starts: date | None = None
    ends: date | None = None
    at: datetime


class ProjectChanged(Event, frozen=True, kw_only=True, tag="project.changed.v1"):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    client: UUID | UnsetType | None = UNSET
    starts: date | UnsetType | None = UNSET
    ends: date | UnsetType | None = UNSET


class ProjectStatusChanged(Event, frozen=True, kw_only=True, tag="project.status_changed.v1"):
    status: ProjectStatus
    was: ProjectStatus


class ProjectManagerChanged(Event, frozen=True, kw_only=True, tag="project.manager_changed.v1"):
    manager: UUID
    was: UUID


class MemberAdded(Event, frozen=True, kw_only=True, tag="project.member_added.v1"):
    user: UUID
    role: ProjectRole


class MemberRoleChanged(Event, frozen=True, kw_only=True, tag="project.member_role_changed.v1"):
    user: UUID
    role: ProjectRole


class MemberRemoved(Event, frozen=True, kw_only=True, tag="project.member_removed.v1"):
    user: UUID


class CreateProject(Command, frozen=True, kw_only=True, tag="create_project"):
    name: str
    description: str = ""
    type: str = ""
    priority: Priority = Priority.NORMAL
    client: UUID | None = None
    manager: UUID
    starts: date | None = None
    ends: date | None = None
    at: datetime


class ChangeProject(Command, frozen=True, kw_only=True, tag="change_project"):
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    client: UUID | UnsetType | None = UNSET
    starts: date | UnsetType | None = UNSET
    ends: date | UnsetType | None = UNSET


class ChangeProjectStatus(Command, frozen=True, kw_only=True, tag="change_project_status"):
    status: ProjectStatus


class ChangeProjectManager(Command, frozen=True, kw_only=True, tag="change_project_manager"):
    manager: UUID


class AddMember(Command, frozen=True, kw_only=True, tag="add_member"):
    user: UUID
    role: ProjectRole


class ChangeMemberRole(Command, frozen=True, kw_only=True, tag="change_member_role"):
    user: UUID
    role: ProjectRole


class RemoveMember(Command, frozen=True, kw_only=True, tag="remove_member"):
    user: UUID


ProjectEvent: TypeAlias = (
    ProjectCreated
    | ProjectChanged
    | ProjectStatusChanged
    | ProjectManagerChanged
    | MemberAdded
    | MemberRoleChanged
    | MemberRemoved
)
ProjectCommand: TypeAlias = (
    CreateProject
    | ChangeProject
    | ChangeProjectStatus
    | ChangeProjectManager
    | AddMember
    | ChangeMemberRole
    | RemoveMember
)

NEXT: Mapping[ProjectStatus, frozenset[ProjectStatus]] = {
    ProjectStatus.PLANNING: frozenset(ProjectStatus) - {ProjectStatus.COMPLETED},
    ProjectStatus.ACTIVE: frozenset(ProjectStatus),
    ProjectStatus.ON_HOLD: frozenset(ProjectStatus),
    ProjectStatus.COMPLETED: frozenset({ProjectStatus.ACTIVE, ProjectStatus.ARCHIVED}),
    ProjectStatus.ARCHIVED: frozenset({ProjectStatus.ACTIVE}),
}


class Project(msgspec.Struct, frozen=True):
    """`details` are the fields that only change by ChangeProject."""

    details: ProjectChanged = ProjectChanged()
    status: ProjectStatus | None = None  # None: not created
    manager: UUID | None = None
    members: Mapping[UUID, ProjectRole] = {}

    @property
    def name(self) -> str:
        return "" if self.details.name is UNSET else self.details.name

    def managers(self) -> int:
        return sum(role is ProjectRole.MANAGER for role in self.members.values())


def decide(command: ProjectCommand, project: Project) -> list[ProjectEvent]:
    if isinstance(command, CreateProject):
        return _create(command, project)
    if project.status is None:
        raise NotFound("project.not_found")
    if isinstance(command, ChangeProjectStatus):
        return _change_status(command.status, project.status)
    if project.status is ProjectStatus.ARCHIVED:
        raise WrongState("project.archived")
    match command:
        case ChangeProject():
            return _change(command, project)
        case ChangeProjectManager(manager=manager):
            return _change_manager(manager, project)
        case AddMember(user=user, role=role) | ChangeMemberRole(user=user, role=role):
            return _set_member(command, user, role, project)
        case RemoveMember(user=user):
            return _remove_member(user, project)
        case _:
            assert_never(command)


def _create(command: CreateProject, project: Project) -> list[ProjectEvent]:
    if project.status is not None:
        raise WrongState("project.exists")
    _check_dates(command.starts, command.ends)
    created = ProjectCreated(
        name=checked(command.name, "project.bad_name", MAX_NAME),
        description=_description(command.description),
        type=_type(command.type),
        priority=command.priority,
        client=command.client,
        manager=command.manager,
        starts=command.starts,
        ends=command.ends,
        at=command.at,
    )
    return [created, MemberAdded(user=command.manager, role=ProjectRole.MANAGER)]


def _change(command: ChangeProject, project: Project) -> list[ProjectEvent]:
    wanted = ProjectChanged(
        name=UNSET
        if command.name is UNSET
        else checked(command.name, "project.bad_name", MAX_NAME),
        description=UNSET if command.description is UNSET else _description(command.description),
        type=UNSET if command.type is UNSET else _type(command.type),
        priority=command.priority,
        client=command.client,
        starts=command.starts,
        ends=command.ends,
    )
    after = _laid_over(project.details, wanted)
    _check_dates(after.starts, after.ends)
    changes = {
        field: getattr(wanted, field)
        for field in wanted.__struct_fields__
        if getattr(wanted, field) not in (UNSET, getattr(project.details, field))
    }
    return [ProjectChanged(**changes)] if changes else []


def _change_status(status: ProjectStatus, was: ProjectStatus) -> list[ProjectEvent]:
    if status is was:
        return []
    if status not in NEXT[was]:
        raise WrongState("project.bad_transition", status=status.value, was=was.value)
    return [ProjectStatusChanged(status=status, was=was)]


def _change_manager(manager: UUID, project: Project) -> list[ProjectEvent]:
    if manager == project.manager or project.manager is None:
        return []
    changed = ProjectManagerChanged(manager=manager, was=project.manager)
    if manager not in project.members:
        return [changed, MemberAdded(user=manager, role=ProjectRole.MANAGER)]
    if project.members[manager] is not ProjectRole.MANAGER:
        return [changed, MemberRoleChanged(user=manager, role=ProjectRole.MANAGER)]
    return [changed]


def _set_member(
    command: AddMember | ChangeMemberRole, user: UUID, role: ProjectRole, project: Project
) -> list[ProjectEvent]:
    if user not in project.members:
        if isinstance(command, ChangeMemberRole):
            raise NotFound("project.no_such_member", user=user)
        if len(project.members) >= MAX_MEMBERS:
            raise WrongState("project.too_many_members", most=MAX_MEMBERS)
        return [MemberAdded(user=user, role=role)]
    if project.members[user] is role:
        return []
    if role is not ProjectRole.MANAGER:
        _keep_a_manager(user, project)
    return [MemberRoleChanged(user=user, role=role)]


def _remove_member(user: UUID, project: Project) -> list[ProjectEvent]:
    if user not in project.members:
        return []
    _keep_a_manager(user, project)
    return [MemberRemoved(user=user)]


def _keep_a_manager(user: UUID, project: Project) -> None:
    if project.members[user] is ProjectRole.MANAGER and project.managers() == 1:
        raise WrongState("project.last_manager", user=user)


def _description(text: str) -> str:
    return checked(text, "project.bad_description", MAX_DESCRIPTION, least=0)


def _type(text: str) -> str:
    return checked(text, "project.bad_type", MAX_TYPE, least=0)


def _check_dates(starts: date | UnsetType | None, ends: date | UnsetType | None) -> None:
    if isinstance(starts, date) and isinstance(ends, date) and ends < starts:
        raise Invalid("project.bad_dates", starts=starts, ends=ends)


def _laid_over(below: ProjectChanged, above: ProjectChanged) -> ProjectChanged:
    fields = below.__struct_fields__
    given = {name: getattr(above, name) for name in fields if getattr(above, name) is not UNSET}
    return msgspec.structs.replace(below, **given)


def evolve(project: Project, event: ProjectEvent) -> Project:
    match event:
        case ProjectCreated():
            fields = {name: getattr(event, name) for name in ProjectChanged.__struct_fields__}
            details = ProjectChanged(**fields)
            return Project(details, ProjectStatus.PLANNING, event.manager)
        case ProjectChanged():
            return msgspec.structs.replace(project, details=_laid_over(project.details, event))
        case ProjectStatusChanged(status=status):
            return msgspec.structs.replace(project, status=status)
        case ProjectManagerChanged(manager=manager):
            return msgspec.structs.replace(project, manager=manager)
        case MemberAdded(user=user, role=role) | MemberRoleChanged(user=user, role=role):
            return msgspec.structs.replace(project, members={**project.members, user: role})
        case MemberRemoved(user=user):
            members = {one: role for one, role in project.members.items() if one != user}
            return msgspec.structs.replace(project, members=members)
        case _:
            assert_never(event)


PROJECT = Decider(
    name="project",
    initial=Project(),
    decide=decide,
    evolve=evolve,
    events=(
        ProjectCreated,
        ProjectChanged,
        ProjectStatusChanged,
        ProjectManagerChanged,
        MemberAdded,
        MemberRoleChanged,
        MemberRemoved,
    ),
)
