"""/replay: a project's room as it was, as it went on from there, and what became different."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, TypeAlias
from uuid import UUID

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, HeaderParameter, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from api.auth import Open
from api.paging import Cursor, Limit, Page, from_cursor, page
from api.rights import Caller, may, require
from domain.access import Action
from infra.runtime import Runtime
from projections.documents import DocumentItem
from projections.locks import LockRow
from projections.members import MemberRow
from projections.projects import ProjectMemberRow, ProjectRow
from projections.replay.moments import Moment, Pointer, moment
from projections.replay.outline import MOST_MARKS, Outline, outlined
from projections.replay.room import Change, Room, difference, room_at, span
from projections.replay.session import FASTEST, SLOWEST, Pace, Played, session
from projections.tasks import TaskRow

KEEPALIVE_S = 15.0  # the longest silence: proxies end a connection that says nothing
MAX_MOMENT = 40  # characters
EVENT_STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}  # the route's own is JSON

When: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        max_length=MAX_MOMENT,
        description="a position, or RFC 3339",
        schema_extra={"max_length": MAX_MOMENT},
    ),
]


class RoomThen(msgspec.Struct, frozen=True):
    """A project as it was. `team`: its members; `members`: those of them who were there.

    `cursors` is null where retention has dropped them: `cursors_gone` says so, and
    `cursors_from` where the next are.
    """

    moment: Moment
    project: ProjectRow
    team: list[ProjectMemberRow]
    members: list[MemberRow]
    locks: list[LockRow]
    cursors: list[Pointer] | None
    cursors_from: int | None
    cursors_gone: str | None
    tasks: Page[TaskRow]
    documents: list[DocumentItem]  # what each said: /documents/{id}/versions/{version}
    recent: list[Played]  # what had just happened, oldest first
    next: int | None  # the position of the event after these


class Changes(msgspec.Struct, frozen=True):
    """What is not the same at two moments."""

    was: Moment
    now: Moment
    changes: Page[Change]


@get("/", opt={"action": Open.SIGNED_IN})
async def replay(
    project: FromQuery[UUID],
    runtime: NamedDependency[Runtime],
    caller: NamedDependency[Caller],
    at: When = None,
    start: Annotated[str | None, QueryParameter(name="from", max_length=MAX_MOMENT)] = None,
    to: When = None,
    speed: Annotated[float, QueryParameter(ge=SLOWEST, le=FASTEST)] = 1.0,
    limit: Limit = 200,
    cursor: Cursor = None,
    last: Annotated[
        int | None, HeaderParameter(name="Last-Event-ID", ge=0, schema_extra={"minimum": 0})
    ] = None,
) -> RoomThen | ServerSentEvent:
    """The room `at` a moment; or, with `from`, what happened until `to`, as server-sent events.

    `limit` and `cursor` are of the tasks. A stream goes on after Last-Event-ID.
    """
    await require(runtime, caller, Action.REPLAY_READ, project=project)
    if start is None:
        room = await room_at(runtime, project, moment(at))
        return _shown(room, limit, from_cursor(cursor, UUID))
    first, end = await span(runtime, moment(start), moment(to))
    after = first.position if last is None else last
    events = _stream(runtime, caller, project, after, end.position, speed)
    return ServerSentEvent(events, headers=EVENT_STREAM)


@get("/diff", opt={"action": Open.SIGNED_IN})
async def diff(
    project: FromQuery[UUID],
    runtime: NamedDependency[Runtime],
    caller: NamedDependency[Caller],
    start: Annotated[str, QueryParameter(name="from", max_length=MAX_MOMENT)],
    to: When = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> Changes:
    """The rows that came, went or changed between two moments, table by table."""
    await require(runtime, caller, Action.REPLAY_READ, project=project)
    skip = from_cursor(cursor, int) or 0
    found = await difference(runtime, project, moment(start), moment(to))
    rows = list(enumerate(found.changes, 1))[skip : skip + limit + 1]
    numbered = page(rows, limit, lambda row: row[0])
    return Changes(found.was, found.now, Page([row for _, row in numbered.items], numbered.next))


@get("/outline", opt={"action": Open.SIGNED_IN})
async def outline(
    project: FromQuery[UUID],
    runtime: NamedDependency[Runtime],
    caller: NamedDependency[Caller],
    start: Annotated[str, QueryParameter(name="from", max_length=MAX_MOMENT)] = "0",
    to: When = None,
    limit: Annotated[int, QueryParameter(ge=2, le=MOST_MARKS, description="marks at most")] = 200,
) -> Outline:
    """What happened when, between two moments; of more than `limit` events some, spread over it."""
    await require(runtime, caller, Action.REPLAY_READ, project=project)
    return await outlined(runtime, project, moment(start), moment(to), limit)


def _shown(room: Room, limit: int, after: UUID | None) -> RoomThen:
    tasks = [task for task in room.tasks if after is None or str(task.id) > str(after)]
    return RoomThen(
        moment=room.moment,
        project=room.project,
        team=room.team,
        members=room.members,
        locks=room.locks,
        cursors=room.cursors,
        cursors_from=room.cursors_from,
        cursors_gone=room.cursors_gone,
        tasks=page(tasks, limit, lambda row: row.id),
        documents=room.documents,
        recent=room.recent,
        next=room.next,
    )


async def _stream(
    runtime: Runtime, caller: Caller, project: UUID, after: int, upto: int, speed: float
) -> AsyncGenerator[ServerSentEventMessage]:
    """Every page asks anew whether the caller may still see it."""
    pace: Pace | None = None
    async for events in session(runtime, project, after, upto):
        if not await may(runtime, caller, Action.REPLAY_READ, project):
            yield ServerSentEventMessage(event="left", data="{}")
            return
        for one in events:
            pace = pace or Pace(one.at, speed)
            while (due_s := pace.due_in_s(one.at)) > KEEPALIVE_S:
                await asyncio.sleep(KEEPALIVE_S)
                yield ServerSentEventMessage(data=None, comment="still here")
            await asyncio.sleep(due_s)
            yield _message(one)
    yield ServerSentEventMessage(event="end", data=f'{{"pos":{upto}}}', id=upto)


def _message(one: Played) -> ServerSentEventMessage:
    event = "ev" if one.version else "mo"
    return ServerSentEventMessage(event=event, id=one.pos, data=msgspec.json.encode(one).decode())


replays = Router("/replay", route_handlers=[replay, diff, outline], tags=["replay"])
