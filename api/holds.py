"""/holds: legal holds on projects and records; while one stands, nothing of it is thrown away."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, Router, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from api.call import Call, Done, done
from api.holding import placing
from api.paging import Cursor, Limit, Page, from_cursor, page
from domain.access import Action
from domain.hold import HOLD, HOLDS_STREAM, HoldPlaced, Kind, ReleaseHold
from infra.holds import holds as standing_holds
from infra.runtime import Runtime

Reason = Annotated[str, Meta(max_length=1_000, examples=["Case 12/2030"])]


class NewHold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`record`: a task, document, client, user; anything that has an id."""

    kind: Kind
    reason: Reason


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Reason


@get("/", opt={"action": Action.HOLD_READ})
async def list_all(
    runtime: NamedDependency[Runtime], limit: Limit = 50, cursor: Cursor = None
) -> Page[HoldPlaced]:
    """Those that stand, by subject; who placed them, and those that ended, are in the audit."""
    found = (await standing_holds(runtime)).standing
    after = from_cursor(cursor, UUID)
    keys = sorted(key for key in found if after is None or key > after)
    return page([found[key] for key in keys[: limit + 1]], limit, lambda row: row.subject)


@put("/{subject:uuid}", opt={"action": Action.HOLD_PLACE})
async def place(
    subject: FromPath[UUID], data: JSONBody[NewHold], call: NamedDependency[Call]
) -> Response[Done]:
    """A project's hold keeps its cursors and typing; so does that of a task, for its project."""
    command = await placing(call.runtime, subject, data.kind, data.reason)
    return done(await call.execute(HOLD, HOLDS_STREAM, command), subject)


@post("/{subject:uuid}/release", status_code=HTTP_200_OK, opt={"action": Action.HOLD_PLACE})
async def release(
    subject: FromPath[UUID], data: JSONBody[Release], call: NamedDependency[Call]
) -> Response[Done]:
    command = ReleaseHold(subject=subject, reason=data.reason, at=call.runtime.now())
    return done(await call.execute(HOLD, HOLDS_STREAM, command), subject)


holds = Router("/holds", route_handlers=[list_all, place, release], tags=["audit"])
