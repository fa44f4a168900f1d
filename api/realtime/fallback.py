"""/realtime/rooms: the rooms for who cannot have a WebSocket: a stream, a long poll, actions."""

from typing import Annotated, Any, TypeAlias
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT
from litestar.types import ASGIApp

from api.auth import Caller
from api.call import Malformed, origin_of
from api.http_protocol import streaming
from api.limiting import RateLimited
from api.realtime import protocol as p
from api.realtime.actions import Deed, frame_of
from api.realtime.allowance import is_action
from api.realtime.gateway import Gateway
from api.realtime.polling import Poll, Polled
from api.realtime.readers import Wanted
from api.realtime.sse import EventStream
from domain.access import Action
from infra.runtime import Runtime

MAX_WAIT_MS = 25_000  # below the idle time-outs of proxies
MAX_DIGITS = 18  # of a position

After: TypeAlias = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        lt=10**MAX_DIGITS,
        description="the last position one has of the room; none: a snapshot",
        schema_extra={"minimum": 0, "exclusive_maximum": 10**MAX_DIGITS},
    ),
]
Wait: TypeAlias = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=MAX_WAIT_MS,
        description="milliseconds: a long poll; none: Server-Sent Events",
        schema_extra={"minimum": 0, "maximum": MAX_WAIT_MS},
    ),
]
Epoch: TypeAlias = Annotated[
    str,
    QueryParameter(max_length=80, description="of `after`: positions of another one are void"),
]
Connected: TypeAlias = Annotated[
    UUID | None,
    QueryParameter(
        description="the client's own, or what its first answer says: one member, however often"
        " it asks and whichever node answers"
    ),
]
LastEventId: TypeAlias = Annotated[str | None, HeaderParameter(name="Last-Event-ID")]

SPOKEN = {
    HTTP_200_OK: ResponseSpec(
        data_container=Polled,
        generate_examples=False,  # a frame is no value that could be made up
        description="With `wait`; without it `text/event-stream`, one frame an event.",
    )
}


@get("/{room:str}/events", opt={"action": Action.ROOM_JOIN}, responses=SPOKEN)
async def events(
    room: FromPath[str],
    request: Request[Caller, Any, Any],
    gateway: NamedDependency[Gateway],
    runtime: NamedDependency[Runtime],
    after: After = None,
    epoch: Epoch = "",
    connection: Connected = None,
    wait: Wait = None,
    last_event_id: LastEventId = None,
) -> ASGIApp:
    """The room from `after` on: what a `join` on a socket answers, then what is new."""
    held = position(last_event_id) if last_event_id else after
    wanted = Wanted(room, connection or runtime.new_id(), held, epoch)
    origin = origin_of(request, request.user.id)
    abort = streaming(request.scope)
    reader = await gateway.readers.read(request.user, origin, wanted, abort)
    return EventStream(reader) if wait is None else Poll(reader, wait / 1_000)


@post(
    "/{room:str}/actions",
    opt={"action": Action.ROOM_JOIN},
    request_max_body_size=p.MAX_FRAME,
    status_code=HTTP_200_OK,
)
async def act(
    room: FromPath[str],
    request: Request[Caller, Any, Any],
    gateway: NamedDependency[Gateway],
    runtime: NamedDependency[Runtime],
    connection: FromQuery[UUID],
) -> Response[bytes]:
    """One client frame, by whoever reads the room under this `connection`; motion has no answer."""
    frame = frame_of(await request.body(), room)
    if is_action(frame) and (wait_s := runtime.limits.action(request.user.id)):
        raise RateLimited(wait_s)
    origin = origin_of(request, request.user.id)
    deed = Deed(runtime, gateway.hub, gateway.readers.pace, origin)
    await deed.do(request.user, connection, room, frame)
    if deed.answer is None:
        return Response(b"", status_code=HTTP_204_NO_CONTENT)
    pos = msgspec.json.decode(deed.answer, type=p.Ack).pos
    headers = {} if pos is None else {"X-Position": str(pos)}
    return Response(deed.answer, media_type="application/json", headers=headers)


def position(last_event_id: str) -> int:
    """Raises Malformed: only what a stream has said can be said to it."""
    if not last_event_id.isascii() or not last_event_id.isdecimal():
        raise Malformed("request.bad_last_event_id", given=last_event_id[:40])
    if len(last_event_id) > MAX_DIGITS:
        raise Malformed("request.bad_last_event_id", given=last_event_id[:40])
    return int(last_event_id)


fallback = Router("/realtime/rooms", route_handlers=[events, act], tags=["realtime"])
