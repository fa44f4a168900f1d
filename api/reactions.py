"""/tasks/{task}/reactions and those to its comments: an emoji for an answer. Twice is once."""

from uuid import UUID

from litestar import Response, Router, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from api.call import Call, Done, done
from api.conditions import said
from domain.access import Action
from domain.reaction import REACTION, React, Unreact, reaction_stream
from infra.db import Connection
from projections.reactions import Tally, reactions_to


@get("/reactions", opt={"action": Action.TASK_READ})
async def list_all(task: FromPath[UUID], db: NamedDependency[Connection]) -> list[Tally]:
    """To the task itself; comments come with theirs."""
    return (await reactions_to(db, task, [task])).get(task, [])


@put("/reactions/{emoji:str}", opt={"action": Action.TASK_COMMENT})
async def react(
    task: FromPath[UUID], emoji: FromPath[str], call: NamedDependency[Call]
) -> Response[Done]:
    return await _react(call, task, None, emoji)


@delete("/reactions/{emoji:str}", status_code=HTTP_200_OK, opt={"action": Action.TASK_COMMENT})
async def unreact(
    task: FromPath[UUID], emoji: FromPath[str], call: NamedDependency[Call]
) -> Response[Done]:
    return await _unreact(call, task, None, emoji)


@put("/comments/{comment:uuid}/reactions/{emoji:str}", opt={"action": Action.TASK_COMMENT})
async def react_to_comment(
    task: FromPath[UUID],
    comment: FromPath[UUID],
    emoji: FromPath[str],
    call: NamedDependency[Call],
) -> Response[Done]:
    return await _react(call, task, comment, emoji)


@delete(
    "/comments/{comment:uuid}/reactions/{emoji:str}",
    status_code=HTTP_200_OK,
    opt={"action": Action.TASK_COMMENT},
)
async def unreact_to_comment(
    task: FromPath[UUID],
    comment: FromPath[UUID],
    emoji: FromPath[str],
    call: NamedDependency[Call],
) -> Response[Done]:
    return await _unreact(call, task, comment, emoji)


async def _react(call: Call, task: UUID, comment: UUID | None, emoji: str) -> Response[Done]:
    command = React(task=task, comment=comment, by=call.caller.id, emoji=emoji)
    stream = reaction_stream(task, comment)
    there = said(task, comment)
    outcome = await call.execute(REACTION, stream, command, there, project=call.project)
    return done(outcome, stream)


async def _unreact(call: Call, task: UUID, comment: UUID | None, emoji: str) -> Response[Done]:
    command = Unreact(task=task, comment=comment, by=call.caller.id, emoji=emoji)
    stream = reaction_stream(task, comment)
    return done(await call.execute(REACTION, stream, command, project=call.project), stream)


reactions = Router(
    "/tasks/{task:uuid}",
    route_handlers=[list_all, react, unreact, react_to_comment, unreact_to_comment],
    tags=["tasks"],
)
