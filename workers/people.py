"""Who a job writes to about a task: somebody there, active, and allowed to read it."""

from uuid import UUID

import msgspec

from domain.access import Action, Who, require
from domain.errors import NotFound, WrongState
from domain.project import PROJECT
from domain.task import TASK
from domain.user import USER, User
from infra.runtime import Runtime


class About(msgspec.Struct, frozen=True):
    """A person, and a task as that person may see it."""

    person: User
    by: str  # the name of whoever caused it
    task: UUID
    title: str
    project: UUID
    project_name: str

    @property
    def path(self) -> str:
        """Of the task's page, below the public URL."""
        return f"/projects/{self.project}/tasks/{self.task}"


async def about(runtime: Runtime, user: UUID, task: UUID, by: UUID | None) -> About:
    """As things are now. Raises Refused: nobody hears of a task that they may not read."""
    loaded = (await runtime.load(TASK, task)).state
    if loaded.project is None:
        raise NotFound("task.not_found")
    person = await active(runtime, user)
    project = (await runtime.load(PROJECT, loaded.project)).state
    who = Who(user, person.role)
    require(Action.TASK_READ, who, project_role=project.members.get(user))
    return About(
        person=person,
        by=await name_of(runtime, by),
        task=task,
        title=loaded.title,
        project=loaded.project,
        project_name=project.name,
    )


async def active(runtime: Runtime, user: UUID) -> User:
    """Raises Refused: nobody who has left is written to."""
    person = (await runtime.load(USER, user)).state
    if not person.active:
        raise WrongState("user.not_active", user=user)
    return person


async def name_of(runtime: Runtime, user: UUID | None) -> str:
    if user is None:
        return "Formula"
    return (await runtime.load(USER, user)).state.name or "Somebody"
