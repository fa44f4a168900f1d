"""/tasks/{task}/comments: what is said about a task, and to whom."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from api.call import Call, Done, done
from api.conditions import members
from api.paging import Cursor, Limit, Page, from_cursor, page
from api.rights import may
from domain.access import Action
from domain.kernel import Command
from domain.task import TASK, AddComment, EditComment, RemoveComment
from infra.db import Connection
from projections.reactions import Tally, reactions_to
from projections.tasks import CommentRow, comments_of


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`mentions` are members of the project; they are told."""

    body: Annotated[str, Meta(max_length=10_000, examples=["Looks good to me."])]
    mentions: Annotated[tuple[UUID, ...], Meta(max_length=100)] = ()


class Comment(CommentRow, frozen=True):
    """A comment and how people answered it."""

    reactions: list[Tally]


@get("/", opt={"action": Action.TASK_READ})
async def list_all(
    task: FromPath[UUID],
    db: NamedDependency[Connection],
    search: FromQuery[str | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Comment]:
    """Oldest first. `search`: the beginnings of words in them."""
    rows = await comments_of(db, task, from_cursor(cursor, int), limit + 1, search=search)
    tallies = await reactions_to(db, task, [row.id for row in rows])
    shown = [
        Comment(**msgspec.structs.asdict(row), reactions=tallies.get(row.id, [])) for row in rows
    ]
    return page(shown, limit, lambda row: row.position)


@post("/", opt={"action": Action.TASK_COMMENT})
async def add(
    task: FromPath[UUID], data: JSONBody[Text], call: NamedDependency[Call]
) -> Response[Done]:
    comment = call.new_id("comment")
    command = AddComment(
        comment=comment,
        author=call.caller.id,
        body=data.body,
        mentions=data.mentions,
        at=call.runtime.now(),
    )
    return await _do(call, task, comment, command, data.mentions, created=True)


@patch("/{comment:uuid}", opt={"action": Action.TASK_COMMENT})
async def edit(
    task: FromPath[UUID],
    comment: FromPath[UUID],
    data: JSONBody[Text],
    call: NamedDependency[Call],
) -> Response[Done]:
    command = EditComment(
        comment=comment,
        by=call.caller.id,
        moderator=await _moderates(call),
        body=data.body,
        mentions=data.mentions,
    )
    return await _do(call, task, comment, command, data.mentions)


@delete("/{comment:uuid}", status_code=HTTP_200_OK, opt={"action": Action.TASK_COMMENT})
async def remove(
    task: FromPath[UUID], comment: FromPath[UUID], call: NamedDependency[Call]
) -> Response[Done]:
    command = RemoveComment(comment=comment, by=call.caller.id, moderator=await _moderates(call))
    return await _do(call, task, comment, command)


async def _moderates(call: Call) -> bool:
    return await may(call.runtime, call.caller, Action.TASK_MODERATE, call.project)


async def _do(
    call: Call,
    task: UUID,
    comment: UUID,
    command: Command,
    mentions: tuple[UUID, ...] = (),
    *,
    created: bool = False,
) -> Response[Done]:
    also = [members(call.project, mentions)] if mentions else []
    outcome = await call.execute(TASK, task, command, *also, project=call.project)
    return done(outcome, comment, created=created)


comments = Router(
    "/tasks/{task:uuid}/comments", route_handlers=[list_all, add, edit, remove], tags=["tasks"]
)
