"""The AsyncAPI 3 description of the WebSocket protocol, made from the frames' own types."""

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

import msgspec
from litestar import get

from api.auth import Open
from api.realtime import protocol as p
from infra.settings import Settings
from projections.frames import (
    FILE_PROGRESS,
    JOB_PROGRESS,
    Ev,
    FileProgress,
    JobProgress,
    Mo,
    public_type,
)
from projections.members import Member
from projections.receipts import Seen
from projections.rooms import PROJECTION

Json = dict[str, Any]  # a JSON object

CHANNEL = "realtime"
CLIENT: tuple[type[p.ClientFrame], ...] = get_args(p.Incoming)
SERVER: tuple[type[msgspec.Struct], ...] = (
    *(one for one in p.ServerFrame.__subclasses__() if one.__module__ == p.__name__),
    Ev,
    Mo,
)

# What answers a frame, beside `err`; what is not named here is acknowledged.
ANSWERS: Mapping[type[p.ClientFrame], tuple[type[p.ServerFrame], ...]] = {
    p.Hello: (p.Welcome,),
    p.Join: (p.Joined,),
    p.Replay: (p.Joined,),
    p.Act: (p.Ack, p.Joined),  # a replay that seeks
    p.Ping: (p.Pong,),
    p.Cursor: (),
    p.Typing: (),
    p.Select: (),
    p.Seen: (),
}

# What is in the lists that frames take ready-made.
INSIDE: Mapping[type[p.ServerFrame], Mapping[str, type[msgspec.Struct]]] = {
    p.Joined: {"members": Member, "recent": Ev, "cursors": Mo},
    p.Presence: {"join": Member, "update": Member, "seen": Seen},
}

FRAMES = (*CLIENT, *SERVER)
TYPES = (*FRAMES, Member, Seen, JobProgress, FileProgress, *PROJECTION.events)
SCHEMA = "#/components/schemas/{name}"

TEXT = f"""\
Live rooms over one WebSocket, subprotocol `{p.SUBPROTOCOL}`: text frames, each one JSON object.
Fields that are empty or default are left out. Times are RFC 3339 in UTC, durations milliseconds,
ids UUIDs, positions integers of the log.

The access token comes as `Authorization: Bearer` or in a first frame `hello`, at most {p.HELLO_S:g}
seconds after the upgrade; never in the URL. A frame's `id` is the client's own: the answer names it
as `re`, and the same frame sent again under the same id is done once.

`ev` frames of a room come in the order of `pos`. With `last` the newest position one has applied:
a frame with `prev > last` tells of a hole (`join` again with `after: last`), one with `pos <= last`
is a duplicate.

`mo` frames are motion, outside that chain: of a participation and `type` the newest wins, and goes
when the participation leaves (`presence`), a cursor also after 10 s, typing after 6 s of silence.

| close code | | come back? |
|---|---|---|
"""
RETURN = {"no": "no", "yes": "yes, with resume", "token": "with another token"}


@get(
    "/schema/asyncapi.json",
    opt={"action": Open.PUBLIC},
    include_in_schema=False,
    sync_to_thread=False,
)
def asyncapi_json() -> Json:
    return asyncapi()


@cache
def asyncapi() -> Json:
    address = Settings()
    channel = _ref("channels", CHANNEL)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Formula", "version": "1", "description": TEXT + _close_codes()},
        "defaultContentType": "application/json",
        "servers": {
            "formula": {
                "host": f"{address.host}:{address.port}",
                "protocol": "ws",
                "security": [_ref("components", "securitySchemes", "bearer")],
            }
        },
        "channels": {
            CHANNEL: {
                "address": p.PATH,
                "messages": {_op(one): _ref("components", "messages", _op(one)) for one in FRAMES},
                "bindings": {"ws": {"method": "GET"}},
            }
        },
        "operations": {
            **{f"say_{_op(one)}": _said(channel, one) for one in CLIENT},
            "hear": {"action": "send", "channel": channel, "messages": _in_channel(*SERVER)},
        },
        "components": {
            "messages": {_op(one): _message(one) for one in FRAMES},
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def _close_codes() -> str:
    rows = ((code, code.name.lower().replace("_", " "), p.RECONNECT[code]) for code in p.CloseCode)
    return "".join(f"| {int(code)} | {why} | {RETURN[back]} |\n" for code, why, back in rows)


def _said(channel: Json, frame: type[p.ClientFrame]) -> Json:
    """What the server takes, and how it answers."""
    answers = ANSWERS.get(frame, (p.Ack,))
    return {
        "action": "receive",
        "channel": channel,
        "messages": _in_channel(frame),
        "reply": {"channel": channel, "messages": _in_channel(*answers, p.Err)},
    }


def _message(frame: type[msgspec.Struct]) -> Json:
    summary = frame.__dict__.get("__doc__")
    return {
        "name": _op(frame),
        **({"summary": summary} if summary else {}),
        "payload": _schema_ref(frame),
    }


def _schemas() -> Json:
    """Of all frames and what is in them, as msgspec reads and writes them."""
    _, schemas = msgspec.json.schema_components(TYPES, ref_template=SCHEMA)
    for frame, fields in INSIDE.items():
        properties = schemas[_named(frame)]["properties"]
        for name, inside in fields.items():
            properties[name]["items"] = _schema_ref(inside)
    for event in PROJECTION.events:
        shown = schemas[_named(event)]  # clients know an event by the frame's `type`
        del shown["properties"]["tag"]
        shown["required"].remove("tag")
    schemas[_named(Ev)]["allOf"] = [_with(public_type(event), event) for event in PROJECTION.events]
    schemas[_named(Mo)]["allOf"] = [
        _with(JOB_PROGRESS, JobProgress),
        _with(FILE_PROGRESS, FileProgress),
    ]
    return schemas


def _with(kind: str, data: type[msgspec.Struct]) -> Json:
    """What the data of a frame is, by the frame's `type`."""
    return {
        "if": {"properties": {"type": {"const": kind}}},
        "then": {"properties": {"data": _schema_ref(data)}},
    }


@cache
def _names() -> Mapping[type, str]:
    """What the types' schemas are called: two of one name are told apart by their modules."""
    refs, _ = msgspec.json.schema_components(TYPES, ref_template="{name}")
    return {one: ref["$ref"] for one, ref in zip(TYPES, refs, strict=True)}


def _named(one: type) -> str:
    return _names()[one]


def _schema_ref(one: type) -> Json:
    return _ref("components", "schemas", _named(one))


def _in_channel(*frames: type[msgspec.Struct]) -> list[Json]:
    return [_ref("channels", CHANNEL, "messages", _op(one)) for one in frames]


def _op(frame: type[msgspec.Struct]) -> str:
    """The word that frames of the type are told by."""
    return str(frame.__struct_config__.tag)


def _ref(*path: str) -> Json:
    return {"$ref": "#/" + "/".join(path)}
