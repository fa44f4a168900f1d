"""Feeds: what happened in a project, what somebody did, and what one was told."""

from uuid import UUID

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.status_codes import HTTP_200_OK

from api.auth import Caller
from api.call import Call, Done, done
from api.paging import Cursor, Limit, Page, from_cursor, page
from domain.access import Action
from domain.notification import NOTIFICATION, MarkRead
from infra.db import Connection
from projections.activity import ActivityRow, activity_of_project, activity_of_user
from projections.notifications import NotificationRow, notifications_of


@get("/projects/{project:uuid}/activity", opt={"action": Action.ACTIVITY_READ})
async def of_project(
    project: FromPath[UUID],
    db: NamedDependency[Connection],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ActivityRow]:
    rows = await activity_of_project(db, project, from_cursor(cursor, int), limit + 1)
    return page(rows, limit, lambda row: row.position)


@get("/users/{user:uuid}/activity", opt={"action": Action.ACTIVITY_READ})
async def of_user(
    user: FromPath[UUID],
    db: NamedDependency[Connection],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ActivityRow]:
    rows = await activity_of_user(db, user, from_cursor(cursor, int), limit + 1)
    return page(rows, limit, lambda row: row.position)


@get("/notifications", opt={"action": Action.NOTIFICATION_READ, "own": True})
async def notifications(
    caller: NamedDependency[Caller],
    db: NamedDependency[Connection],
    unread: FromQuery[bool] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[NotificationRow]:
    """One's own, newest first."""
    after = from_cursor(cursor, int)
    rows = await notifications_of(db, caller.id, unread=unread, after=after, limit=limit + 1)
    return page(rows, limit, lambda row: row.position)


@post(
    "/notifications/{notification:uuid}/read",
    status_code=HTTP_200_OK,
    opt={"action": Action.NOTIFICATION_READ},
)
async def mark_read(notification: FromPath[UUID], call: NamedDependency[Call]) -> Response[Done]:
    command = MarkRead(at=call.runtime.now())
    return done(await call.execute(NOTIFICATION, notification, command), notification)


feeds = Router("/", route_handlers=[of_project, of_user, notifications, mark_read], tags=["feeds"])
