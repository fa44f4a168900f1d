"""Answers made of a room's frames: what a stream and a poll have in common."""

from functools import lru_cache

import msgspec
from litestar.types import Receive

from api.realtime.outlet import Outlet

# Frames that end a wait are those that tell something new; these only come with others.
QUIET = ("head", "expiring")


class Told(msgspec.Struct, frozen=True):
    """What an answer looks at in a frame that goes out by it."""

    op: str
    pos: int = 0
    mode: str = ""
    retry_after: float = 0.0

    @property
    def place(self) -> int | None:
        """The position from which to go on after this frame; None where it says nothing of it."""
        return self.pos if self.op in ("ev", "skip", "joined") else None

    @property
    def news(self) -> bool:
        return self.op not in QUIET and self.mode != "resume"


_decoder = msgspec.json.Decoder(Told)


@lru_cache(maxsize=64)  # a room gives the same frame to all its readers in one turn
def told(payload: bytes) -> Told:
    return _decoder.decode(payload)


async def hang_up(receive: Receive, outlet: Outlet) -> None:
    """Notice that the peer has gone, while nothing is written."""
    while (await receive())["type"] != "http.disconnect":
        pass
    outlet.finish()
