"""What a person may do in a project, by the aggregates as they are now."""

from uuid import UUID

from domain.access import Action, Who, allowed
from domain.project import PROJECT
from domain.user import USER
from infra.runtime import Runtime


async def may(runtime: Runtime, action: Action, person: UUID, project: UUID) -> bool:
    user = (await runtime.load(USER, person)).state
    members = (await runtime.load(PROJECT, project)).state.members
    who = Who(person, user.role)
    return user.active and allowed(action, who, project_role=members.get(person))
