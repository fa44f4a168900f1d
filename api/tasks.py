"""/tasks: what is to be done. A write to what is locked takes its token."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, Router, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import UNSET, Meta, UnsetType

from api.auth import Asked
from api.call import Call, Done, done
from api.conditions import members
from api.locks import LockTokens, free
from api.paging import Cursor, Limit, Page, from_cursor, page
from api.reads import MinPosition, shown
from api.rows import rows_of
from domain.access import Action
from domain.kernel import Command
from domain.priority import Priority
from domain.task import (
    TASK,
    AssignTask,
    ChangeTask,
    ChangeTaskStatus,
    CreateTask,
    TaskStatus,
)
from infra.eventstore.execute import Do
from projections.rows import Source
from projections.tasks import TaskRow, list_tasks

Title = Annotated[str, Meta(max_length=500, examples=["Draw the landing page"])]
Description = Annotated[str, Meta(max_length=50_000)]


class NewTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: Title
    description: Description = ""
    status: TaskStatus = TaskStatus.TODO
    priority: Priority = Priority.NORMAL
    assignee: UUID | None = None  # a member of the project
    due: date | None = None


class TaskChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is; `due: null` takes the date away."""

    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    due: date | UnsetType | None = UNSET


class NewStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    status: TaskStatus


class NewAssignee(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    assignee: UUID | None  # null: nobody


@get("/tasks", opt={"action": Action.PROJECT_LIST})
async def list_all(
    lists: NamedDependency[Source],
    request: Asked,
    project: FromQuery[UUID | None] = None,
    assignee: FromQuery[UUID | None] = None,
    status: FromQuery[TaskStatus | None] = None,
    priority: FromQuery[Priority | None] = None,
    due_before: FromQuery[date | None] = None,
    due_after: FromQuery[date | None] = None,
    search: FromQuery[str | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TaskRow]:
    """All tasks for those who may read them all, those of one's own projects for others.

    `search`: the beginnings of words in titles and descriptions.
    """
    rows = await list_tasks(
        lists,
        project=project,
        assignee=assignee,
        status=status,
        priority=priority,
        due_before=due_before,
        due_after=due_after,
        search=search,
        member=None if request.user.may(Action.TASK_READ) else request.user.id,
        after=from_cursor(cursor, tuple[datetime, UUID]),
        limit=limit + 1,
    )
    return page(rows, limit, lambda row: (row.created_at, row.id))


@get("/tasks/{task:uuid}", opt={"action": Action.TASK_READ})
async def get_one(
    task: FromPath[UUID], request: Asked, min_position: MinPosition = None
) -> Response[TaskRow]:
    return shown(await rows_of(request.scope).tasks.get(task, min_position), "task.not_found")


@post("/projects/{project:uuid}/tasks", opt={"action": Action.TASK_WRITE})
async def create(
    project: FromPath[UUID], data: JSONBody[NewTask], call: NamedDependency[Call]
) -> Response[Done]:
    task = call.new_id("task")
    command = CreateTask(
        project=project,
        title=data.title,
        description=data.description,
        status=data.status,
        priority=data.priority,
        assignee=data.assignee,
        due=data.due,
        at=call.runtime.now(),
    )
    outcome = await call.execute(
        TASK, task, command, *_assignable(project, data.assignee), project=project
    )
    return done(outcome, task, created=True)


@patch("/tasks/{task:uuid}", opt={"action": Action.TASK_WRITE})
async def change(
    task: FromPath[UUID],
    data: JSONBody[TaskChanges],
    call: NamedDependency[Call],
    lock_token: LockTokens = None,
) -> Response[Done]:
    command = ChangeTask(
        title=data.title, description=data.description, priority=data.priority, due=data.due
    )
    changed = [name for name in data.__struct_fields__ if getattr(data, name) is not UNSET]
    return await _do(call, task, command, changed, lock_token)


@put("/tasks/{task:uuid}/status", opt={"action": Action.TASK_WRITE})
async def change_status(
    task: FromPath[UUID],
    data: JSONBody[NewStatus],
    call: NamedDependency[Call],
    lock_token: LockTokens = None,
) -> Response[Done]:
    command = ChangeTaskStatus(status=data.status)
    return await _do(call, task, command, ["status"], lock_token)


@put("/tasks/{task:uuid}/assignee", opt={"action": Action.TASK_WRITE})
async def assign(
    task: FromPath[UUID],
    data: JSONBody[NewAssignee],
    call: NamedDependency[Call],
    lock_token: LockTokens = None,
) -> Response[Done]:
    command = AssignTask(assignee=data.assignee)
    able = _assignable(call.project, data.assignee)
    return await _do(call, task, command, ["assignee"], lock_token, *able)


def _assignable(project: UUID, assignee: UUID | None) -> list[Do]:
    return [members(project, [assignee])] if assignee else []


async def _do(
    call: Call,
    task: UUID,
    command: Command,
    changed: Collection[str],
    lock_token: str | None,
    *also: Do,
) -> Response[Done]:
    locks = free(call, f"task:{task}", changed, lock_token)
    outcome = await call.execute(TASK, task, command, *locks, *also, project=call.project)
    return done(outcome, task)


tasks = Router(
    "/",
    route_handlers=[list_all, get_one, create, change, change_status, assign],
    tags=["tasks"],
)
