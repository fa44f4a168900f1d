"""The frames of `formula.v1.json`: what clients may say, what the server says, how it ends."""

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Annotated, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta

from domain.activity import MAX_DATA
from domain.errors import Detail
from domain.motion import MAX_PLACE
from projections.receipts import Seen as Receipt
from projections.replay.session import FASTEST, SLOWEST

SUBPROTOCOL = "formula.v1.json"
PATH = "/api/v1/realtime/ws"

MAX_FRAME = 64 * 1024  # bytes
MAX_ROOMS = 100  # of one connection
MAX_LOCKS = 100  # of one connection, those that it waits for included
MAX_REPLAYS = 2  # of one connection, beside its rooms
HELLO_S = 5.0  # from the upgrade to an accepted token
PING_S = 20.0

RoomName = Annotated[str, Meta(min_length=1, max_length=80)]
# A position, or a time.
When: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)] | Annotated[datetime, Meta(tz=True)]
Speed = Annotated[float, Meta(ge=SLOWEST, le=FASTEST)]


class ClientFrame(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op"
):
    """`id` is the client's own: the command id, and the `re` of the answer.

    `traceparent`: of the client's own trace (W3C Trace Context).
    """

    id: UUID | None = None
    traceparent: Annotated[str, Meta(max_length=200)] = ""


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A room one was in, and the last position one has of it."""

    room: RoomName
    after: Annotated[int, Meta(ge=0)]
    location: Annotated[str, Meta(max_length=200)] = ""


class Hello(ClientFrame, frozen=True, tag="hello"):
    token: Annotated[str, Meta(max_length=4_096)] = ""
    device: Annotated[str, Meta(max_length=60)] = ""
    auto: bool = False  # join the rooms of one's projects
    epoch: Annotated[str, Meta(max_length=80)] = ""  # of the positions in `resume`
    resume: Annotated[list[Resume], Meta(max_length=MAX_ROOMS)] = []


class Join(ClientFrame, frozen=True, tag="join"):
    room: RoomName
    after: Annotated[int, Meta(ge=0)] | None = None
    location: Annotated[str, Meta(max_length=200)] = ""


class Leave(ClientFrame, frozen=True, tag="leave"):
    room: RoomName


class Act(ClientFrame, frozen=True, tag="act"):
    room: RoomName
    kind: Annotated[str, Meta(max_length=60)]
    # made anew: a schema can show no value that is raw
    data: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))


class Cursor(ClientFrame, frozen=True, tag="cursor"):
    room: RoomName
    at: msgspec.Raw


class Typing(ClientFrame, frozen=True, tag="typing"):
    room: RoomName
    where: Annotated[str, Meta(max_length=200)]
    on: bool


class Select(ClientFrame, frozen=True, tag="select"):
    room: RoomName
    selection: msgspec.Raw


class Status(ClientFrame, frozen=True, tag="status"):
    status: Annotated[str, Meta(min_length=1, max_length=60)]
    location: Annotated[str, Meta(max_length=200)] | None = None


class Lock(ClientFrame, frozen=True, tag="lock"):
    room: RoomName
    resource: Annotated[str, Meta(min_length=1, max_length=200)]
    ttl: int = 30_000  # milliseconds
    keep: bool = False  # not released on leave
    wait: bool = False  # in its queue, if somebody holds it


class Unwait(ClientFrame, frozen=True, tag="unwait"):
    """It is not wanted any more: the place in the queue, or what was granted meanwhile."""

    room: RoomName
    resource: Annotated[str, Meta(min_length=1, max_length=200)]


class Renew(ClientFrame, frozen=True, tag="renew"):
    room: RoomName
    resource: Annotated[str, Meta(min_length=1, max_length=200)]
    token: int


class Unlock(ClientFrame, frozen=True, tag="unlock"):
    room: RoomName
    resource: Annotated[str, Meta(min_length=1, max_length=200)]
    token: int


class Steal(ClientFrame, frozen=True, tag="steal"):
    room: RoomName
    resource: Annotated[str, Meta(min_length=1, max_length=200)]
    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    ttl: int = 30_000  # milliseconds


class Seen(ClientFrame, frozen=True, tag="seen"):
    """How far one has seen the room: told as often as one likes, stored every few seconds."""

    room: RoomName
    pos: Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Replay(ClientFrame, frozen=True, tag="replay"):
    """Open a room of one's own in which the project's past happens again; `to` None: until now."""

    project: UUID
    from_: When = msgspec.field(name="from", default=0)
    to: When | None = None
    speed: Speed = 1.0


class Token(ClientFrame, frozen=True, tag="token"):
    token: Annotated[str, Meta(max_length=4_096)]


class Ping(ClientFrame, frozen=True, tag="ping"):
    t: int | float | str | None = None


Incoming: TypeAlias = (
    Hello
    | Join
    | Leave
    | Act
    | Cursor
    | Typing
    | Select
    | Status
    | Lock
    | Unwait
    | Renew
    | Unlock
    | Steal
    | Seen
    | Replay
    | Token
    | Ping
)


class ServerFrame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op"):
    """Fields that are empty or default are left out."""


class Limits(msgspec.Struct, frozen=True):
    """What a client must keep to; sizes in bytes, 0 for a rate that has no limit."""

    actions: int = 0  # a minute, of the user on all connections: whatever is answered once durable
    motion: int = 0  # a second
    frames: int = 0  # a second, of all kinds
    frame: int = MAX_FRAME
    rooms: int = MAX_ROOMS
    replays: int = MAX_REPLAYS
    locks: int = MAX_LOCKS
    data: int = MAX_DATA
    cursor: int = MAX_PLACE


class Welcome(ServerFrame, frozen=True, tag="welcome"):
    connection: UUID
    user: UUID
    node: UUID
    heartbeat: int  # milliseconds between the server's pings
    limits: Limits
    now: datetime
    epoch: str
    re: UUID | None = None


class Held(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lock as its room sees it; `token` is the fencing token."""

    resource: str
    holder: UUID
    token: int
    expires: datetime
    participation: UUID | None = None
    queue: list[UUID] = []  # participations that wait for it, the longest first


class More(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of lists that end before all: the `cursor` with which REST goes on."""

    locks: str | None = None  # of GET /projects/{id}/locks
    receipts: str | None = None  # of GET /realtime/rooms/{room}/receipts


class Rewound(msgspec.Struct, frozen=True, omit_defaults=True):
    """What only a replay's `joined` says: the time that `pos` was, its end, and how it goes on."""

    at: datetime | None  # None: before the first event of all
    end: int
    end_at: datetime | None
    speed: float
    paused: bool = False
    cursors_from: int | None = None  # retention has dropped them: the next position that has them


class Joined(ServerFrame, frozen=True, tag="joined"):
    room: str
    pos: int
    epoch: str
    mode: str  # "snapshot" or "resume"
    participation: UUID
    members: list[msgspec.Raw] = []
    count: int | None = None  # of members, in a room of too many to list
    locks: list[Held] = []
    receipts: list[Receipt] = []  # how far each person has seen the room
    more: More | None = None  # there are more locks or receipts than are listed
    recent: list[msgspec.Raw] = []  # the newest `ev` frames, oldest first; in a snapshot only
    cursors: list[msgspec.Raw] = []  # `mo` frames that are not silent yet, newest first
    replay: Rewound | None = None
    re: UUID | None = None


class Presence(ServerFrame, frozen=True, tag="presence"):
    room: str
    pos: int
    join: list[msgspec.Raw] = []
    update: list[msgspec.Raw] = []
    away: list[UUID] = []  # participations that dropped a moment ago
    leave: list[UUID] = []
    seen: list[msgspec.Raw] = []  # receipts that moved
    count: int | None = None  # of members, instead of all this, in a room of too many to list


class Skip(ServerFrame, frozen=True, tag="skip"):
    room: str
    pos: int
    prev: int


class Lagged(ServerFrame, frozen=True, tag="lagged"):
    room: str
    from_: int = msgspec.field(name="from")
    pos: int


class Left(ServerFrame, frozen=True, tag="left"):
    room: str
    why: str


class Ended(ServerFrame, frozen=True, tag="ended"):
    """A replay has shown everything up to `pos`, its end. It stays open: it can seek back."""

    room: str
    pos: int


class Ack(ServerFrame, frozen=True, tag="ack"):
    re: UUID | None = None
    pos: int | None = None
    lock: Held | None = None
    queued: int | None = None  # the place in the lock's queue, from 1


class Err(ServerFrame, frozen=True, tag="err"):
    code: str
    re: UUID | None = None
    detail: Mapping[str, Detail] = {}
    retry_after: float | None = None  # seconds


class Head(ServerFrame, frozen=True, tag="head"):
    room: str
    pos: int


class Expiring(ServerFrame, frozen=True, tag="expiring"):
    in_: int = msgspec.field(name="in")  # milliseconds


class Closing(ServerFrame, frozen=True, tag="closing"):
    retry_after: float  # seconds, jittered
    resume: bool = True


class Pong(ServerFrame, frozen=True, tag="pong"):
    t: int | float | str | None = None


class CloseCode(IntEnum):
    """Why a connection ends, and so whether to come back."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL = 1002
    UNSUPPORTED = 1003
    NOT_UTF8 = 1007
    TOO_BIG = 1009
    RESTARTING = 1012
    OVERLOADED = 1013
    NOT_AUTHENTICATED = 4001
    NOT_ALLOWED = 4003
    TOO_SLOW = 4008
    FLOODING = 4029


# Come back: "no", "yes" (with resume, after a jittered wait), or "token" (with a new one).
RECONNECT: Mapping[int, str] = {
    CloseCode.NORMAL: "no",
    CloseCode.GOING_AWAY: "no",
    CloseCode.PROTOCOL: "no",
    CloseCode.UNSUPPORTED: "no",
    CloseCode.NOT_UTF8: "no",
    CloseCode.TOO_BIG: "no",
    CloseCode.RESTARTING: "yes",
    CloseCode.OVERLOADED: "yes",
    CloseCode.NOT_AUTHENTICATED: "token",
    CloseCode.NOT_ALLOWED: "no",
    CloseCode.TOO_SLOW: "yes",
    CloseCode.FLOODING: "yes",
}

_decoder: msgspec.json.Decoder[Incoming] = msgspec.json.Decoder(Incoming)
_encoder = msgspec.json.Encoder()


class _Identified(msgspec.Struct, frozen=True):
    id: UUID | None = None


_ids = msgspec.json.Decoder(_Identified)


def decode_frame(message: bytes) -> Incoming:
    """Raises msgspec.DecodeError (not JSON) and msgspec.ValidationError (not a frame)."""
    try:
        return _decoder.decode(message)
    except RecursionError as error:
        raise msgspec.ValidationError("nested too deeply") from error


def id_of(message: bytes) -> UUID | None:
    """The id of something that is not a frame, so that it can be answered."""
    try:
        return _ids.decode(message).id
    except (msgspec.DecodeError, RecursionError):
        return None


def encode_frame(frame: ServerFrame) -> bytes:
    return _encoder.encode(frame)
