"""Somebody who asks, and whether they may, on whatever way they came."""

from datetime import datetime
from uuid import UUID

import msgspec

from domain import access
from domain.access import Action
from domain.errors import Hidden, NotFound
from domain.project import PROJECT, ProjectRole
from domain.scopes import READING
from domain.user import Role
from infra.runtime import Runtime


class Caller(msgspec.Struct, frozen=True):
    """Somebody who is signed in, with the role they have now."""

    id: UUID
    role: Role
    session: UUID
    expires: datetime
    scopes: frozenset[Action] | None = None  # of an API key, whose id is the session then

    @property
    def who(self) -> access.Who:
        return access.Who(self.id, self.role, self.scopes)

    @property
    def key(self) -> UUID | None:
        """The API key that they came by."""
        return None if self.scopes is None else self.session

    @property
    def only_reads(self) -> bool:
        return self.scopes is not None and self.scopes <= READING

    def within(self, action: Action) -> bool:
        """Whether their key, if they came by one, is for that."""
        return self.scopes is None or action in self.scopes

    def may(self, action: Action, project_role: ProjectRole | None = None) -> bool:
        return access.allowed(action, self.who, project_role=project_role)


async def require(
    runtime: Runtime,
    caller: Caller,
    action: Action,
    *,
    project: UUID | None = None,
    user: UUID | None = None,
) -> None:
    """Return if the caller may do it to that project or person, else raise.

    NotAllowed; or NotFound for a project that the caller may not even read: whether it exists
    is not told.
    """
    if project is not None:
        await runtime.states.look()
    await require_known(runtime, caller, action, project=project, user=user)


async def require_known(
    runtime: Runtime, caller: Caller, action: Action, *, project: UUID | None, user: UUID | None
) -> None:
    """As `require`, as of the last look."""
    role = None
    if project is not None:
        exists, role = await _membership(runtime, caller, project)
        owner = access.Who(caller.id, caller.role)  # what a key is not for its owner knows of
        if not exists:
            raise NotFound("project.not_found", project=project)
        if not access.allowed(Action.PROJECT_READ, owner, project_role=role):
            raise Hidden("project.not_found", project=project)
    access.require(action, caller.who, project_role=role, oneself=user == caller.id)


async def may(runtime: Runtime, caller: Caller, action: Action, project: UUID) -> bool:
    """Whether the caller may do it in that project."""
    await runtime.states.look()
    _, role = await _membership(runtime, caller, project)
    return caller.may(action, role)


async def role_in(runtime: Runtime, caller: Caller, project: UUID) -> ProjectRole | None:
    """None also where there is no such project."""
    await runtime.states.look()
    return (await _membership(runtime, caller, project))[1]


async def _membership(
    runtime: Runtime, caller: Caller, project: UUID
) -> tuple[bool, ProjectRole | None]:
    """Whether there is such a project, and the caller's role in it, as of the last look."""
    loaded = await runtime.states.known(PROJECT, project)
    return loaded.version > 0, loaded.state.members.get(caller.id)
