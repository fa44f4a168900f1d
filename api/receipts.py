"""Receipts over REST: what one has not seen of one's rooms, that one has, and who has seen one."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from api.auth import Caller
from api.call import Call, Done, done
from api.paging import Cursor, Limit, Page, from_cursor, page
from api.reads import provide_live_db
from api.realtime.joining import admit
from api.realtime.protocol import RoomName
from domain.access import Action
from domain.receipt import RECEIPT, See, receipt_stream
from infra.db import Connection
from projections.read import reading
from projections.receipts import Seen as Receipt
from projections.receipts import UnreadRow, receipts_of, unread_of
from projections.room_log import heads


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    room: RoomName
    pos: Annotated[int, Meta(ge=0, le=2**63 - 1)]


@get(
    "/unread",
    opt={"action": Action.RECEIPT_READ, "own": True},
    dependencies={"db": Provide(provide_live_db)},
)
async def unread(
    caller: NamedDependency[Caller],
    db: NamedDependency[Connection],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[UnreadRow]:
    """How many events of each room of one's projects one has not seen; counted up to 1,000."""
    rows = await unread_of(db, caller.id, from_cursor(cursor, str), limit + 1)
    return page(rows, limit, lambda row: row.room)


@get(
    "/rooms/{room:str}/receipts",
    opt={"action": Action.ROOM_JOIN},
    dependencies={"db": Provide(provide_live_db)},
)
async def of_room(
    room: FromPath[str],
    db: NamedDependency[Connection],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Receipt]:
    """How far each person has seen a room that one may join, also where its frames end before."""
    rows = await receipts_of(db, room, from_cursor(cursor, UUID), limit + 1)
    return page(rows, limit, lambda row: row.user)


@post("/seen", status_code=HTTP_200_OK, opt={"action": Action.RECEIPT_WRITE, "own": True})
async def see(data: JSONBody[Seen], call: NamedDependency[Call]) -> Response[Done]:
    """As the frame `seen`, but stored at once."""
    runtime, caller = call.runtime, call.caller
    membership = await admit(runtime, caller.who, data.room, runtime.new_id())
    async with reading(runtime, group="live") as db:
        head = (await heads(db, [data.room])).get(data.room, 0)
    stream = receipt_stream(caller.id, data.room)
    command = See(user=caller.id, room=data.room, pos=min(data.pos, head))
    return done(await call.execute(RECEIPT, stream, command, project=membership.project), stream)


receipts = Router("/realtime", route_handlers=[unread, of_room, see], tags=["realtime"])
