"""The frames that the projector builds for rooms: `ev` for durable events, `mo` for motion."""

from datetime import datetime
from functools import cache
from uuid import UUID

import msgspec

from domain.kernel import Event
from domain.registry import tag_of
from projections.model import Push

JOB_PROGRESS = "job.progress"
FILE_PROGRESS = "file.progress"

_AT = b'"at":"'

_encoder = msgspec.json.Encoder()


class Ev(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ev", tag_field="op"):
    """A durable event. `pos` and `prev` chain the room; `subject` is the stream that it is of."""

    room: str
    pos: int
    prev: int
    type: str
    by: UUID | None = None  # None: the system itself
    at: datetime
    subject: UUID
    data: msgspec.Raw


class Mo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="mo", tag_field="op"):
    """Motion: the latest of a participation and type wins, and a lost one is no loss.

    What the system tells has neither `by` nor `participation`.
    """

    room: str
    pos: int
    type: str
    by: UUID | None = None
    participation: UUID | None = None  # one of the person's connections in the room
    data: msgspec.Raw


class JobProgress(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The data of a `mo` of type `job.progress`, for who asked for the job: 0 to 1.

    `state`: running, or how an attempt ended; then with the error, if that is why.
    """

    job: UUID
    name: str
    state: str
    progress: float
    error: str | None = None  # its beginning


class FileProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The data of a `mo` of type `file.progress`, in the project's room: bytes of an upload.

    `total` null: whoever brings it did not say. The last one has `bytes` equal to `total`.
    """

    file: UUID
    name: str
    bytes: int
    total: int | None
    person: UUID


@cache
def public_type(event: type[Event]) -> str:
    """The name clients know an event by: its tag without the version of its payload."""
    return tag_of(event).rpartition(".v")[0]


def ev_bytes(push: Push, prev: int, data: msgspec.Raw) -> bytes:
    """The frame as every node sends it and as the room's log keeps it."""
    recorded = push.recorded
    return _encoder.encode(
        Ev(
            room=push.room,
            pos=recorded.position,
            prev=prev,
            type=push.type,
            by=recorded.meta.actor,
            at=recorded.at,
            subject=recorded.stream,
            data=data,
        )
    )


def recorded_at(frame: bytes) -> datetime:
    """When the event of an `ev` frame was appended. Nothing that people wrote comes before it."""
    start = frame.index(_AT) + len(_AT)
    return datetime.fromisoformat(frame[start : frame.index(b'"', start)].decode())


def mo_bytes(push: Push, data: msgspec.Raw) -> bytes:
    recorded = push.recorded
    return _encoder.encode(
        Mo(
            room=push.room,
            pos=recorded.position,
            type=push.type,
            by=recorded.meta.actor,
            participation=recorded.stream,
            data=data,
        )
    )


def event_data(event: Event) -> msgspec.Raw:
    """The event without its tag: clients know it by `type`, whatever version its payload has."""
    rest = _encoder.encode(event).removeprefix(_head(type(event)))
    return msgspec.Raw(b"{" + rest.removeprefix(b","))


@cache
def _head(event: type[Event]) -> bytes:
    """How every event of the type begins: msgspec writes the tag first."""
    return b'{"tag":"' + tag_of(event).encode() + b'"'
