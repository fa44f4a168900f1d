"""/realtime: what goes on now, as plain answers; the rooms themselves are WebSockets."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from api.auth import Caller
from api.call import Call, Done, done
from api.paging import Cursor, Limit, Page, from_cursor, page
from api.reads import provide_live_db
from api.summary import ProcessServices, Summary, services_of, summary
from domain.access import Action
from domain.announcement import ANNOUNCEMENT, PublishAnnouncement
from domain.notification import Level
from domain.user import Role
from infra.db import Connection
from infra.eventstore.epoch import read_epoch
from infra.nodes import nodes
from infra.runtime import Runtime
from projections.members import (
    ActiveRoomRow,
    Member,
    OnlineRow,
    PresenceRow,
    active_rooms,
    members_of,
    online_users,
    presence_of,
)
from projections.projector import lag


class Status(msgspec.Struct, frozen=True):
    """`epoch`: positions of another one mean nothing here. `lag`: positions behind, by consumer."""

    version: str
    uptime_s: float  # of the process that answers
    epoch: str
    position: int
    nodes: Mapping[str, int]  # alive and ready, by role
    lag: Mapping[str, int]


class NewAnnouncement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`roles`: whom it is for; empty means everybody."""

    title: Annotated[str, Meta(max_length=500, examples=["Maintenance at 18:00 UTC"])]
    body: Annotated[str, Meta(max_length=10_000)] = ""
    level: Level = "info"
    roles: Annotated[tuple[Role, ...], Meta(max_length=20)] = ()


@get("/status", opt={"action": Action.STATUS_READ})
async def status(runtime: NamedDependency[Runtime]) -> Status:
    ready: dict[str, int] = {}
    for node in await nodes(runtime):
        if node.status == "ready":
            ready[node.role] = ready.get(node.role, 0) + 1
    return Status(
        version=_version(),
        uptime_s=runtime.services.uptime_s,
        epoch=await read_epoch(runtime.db),
        position=await runtime.store.head(),
        nodes=ready,
        lag=await lag(runtime),
    )


@get(
    "/users/online",
    opt={"action": Action.PRESENCE_READ},
    dependencies={"db": Provide(provide_live_db)},
)
async def online(
    db: NamedDependency[Connection], limit: Limit = 50, cursor: Cursor = None
) -> Page[OnlineRow]:
    rows = await online_users(db, from_cursor(cursor, UUID), limit + 1)
    return page(rows, limit, lambda row: row.user_id)


@get(
    "/users/{user:uuid}/presence",
    opt={"action": Action.PRESENCE_READ},
    dependencies={"db": Provide(provide_live_db)},
)
async def presence(user: FromPath[UUID], db: NamedDependency[Connection]) -> PresenceRow:
    """Where a person is matters to the rooms alone; whether, to everybody who works with them."""
    return await presence_of(db, user)


@get(
    "/rooms/{room:str}/members",
    opt={"action": Action.ROOM_JOIN},
    dependencies={"db": Provide(provide_live_db)},
)
async def members(
    room: FromPath[str],
    db: NamedDependency[Connection],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Member]:
    """Who is in a room that one may join, also where they are too many for its frames."""
    rows = await members_of(db, room, limit + 1, from_cursor(cursor, UUID))
    return page(rows, limit, lambda row: row.participation)


@get(
    "/collaborations/active",
    opt={"action": Action.COLLABORATION_READ},
    dependencies={"db": Provide(provide_live_db)},
)
async def collaborations(
    db: NamedDependency[Connection], limit: Limit = 50, cursor: Cursor = None
) -> Page[ActiveRoomRow]:
    rows = await active_rooms(db, from_cursor(cursor, str), limit + 1)
    return page(rows, limit, lambda row: row.room)


@post("/notifications/system", opt={"action": Action.NOTIFICATION_ANNOUNCE})
async def announce(data: JSONBody[NewAnnouncement], call: NamedDependency[Call]) -> Response[Done]:
    """Everybody concerned finds it among their notifications."""
    announcement = call.new_id("announcement")
    command = PublishAnnouncement(
        title=data.title,
        body=data.body,
        level=data.level,
        roles=data.roles,
        at=call.runtime.now(),
    )
    outcome = await call.execute(ANNOUNCEMENT, announcement, command)
    return done(outcome, announcement, created=True)


@get("/health/summary", opt={"action": Action.STATUS_READ})
async def health_summary(
    runtime: NamedDependency[Runtime],
    caller: NamedDependency[Caller],
) -> Summary:
    """Details of processes only for those who operate them."""
    return await summary(runtime, detailed=caller.may(Action.HEALTH_READ))


@get("/health/services", opt={"action": Action.HEALTH_READ})
async def health_services(runtime: NamedDependency[Runtime]) -> list[ProcessServices]:
    """The parts of every process of the last hour, and of supervisors their processes."""
    return services_of(await nodes(runtime))


def _version() -> str:
    try:
        return version("formula")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "0"


realtime = Router(
    "/realtime",
    route_handlers=[
        status,
        online,
        presence,
        members,
        collaborations,
        announce,
        health_summary,
        health_services,
    ],
    tags=["realtime"],
)
