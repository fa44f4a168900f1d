"""What the server says over a WebSocket, decoded: its own frames and those the projector builds."""

from typing import Any, TypeAlias

import msgspec

from api.realtime import protocol as p
from projections.frames import Ev, Mo

Frame: TypeAlias = (
    p.Welcome
    | p.Joined
    | p.Presence
    | p.Skip
    | p.Lagged
    | p.Left
    | p.Ended
    | p.Ack
    | p.Err
    | p.Head
    | p.Expiring
    | p.Closing
    | p.Pong
    | Ev
    | Mo
)
Told: TypeAlias = Ev | Mo | p.Presence | p.Joined  # what a room's reader gets

_decoder: msgspec.json.Decoder[Frame] = msgspec.json.Decoder(Frame)


def read_frame(message: bytes) -> Frame | None:
    """None for a frame that this version does not know: a newer server may say more."""
    try:
        return _decoder.decode(message)
    except msgspec.ValidationError:
        return None


def data(frame: Ev | Mo) -> Any:
    """The payload as plain values."""
    return msgspec.json.decode(frame.data)
