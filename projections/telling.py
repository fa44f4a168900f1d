"""What rooms are told beside the log: how things stand now. A lost frame is no loss."""

import asyncio

import msgspec
import structlog

from infra.bus import Entry, Kind, publish
from infra.runtime import Runtime
from projections.frames import Mo

PATIENCE_S = 1.0

log = structlog.get_logger()


async def tell(runtime: Runtime, room: str, kind: str, *data: msgspec.Struct) -> None:
    """As motion, the latest wins; whoever tells this tells it again soon."""
    frames = [
        Mo(room=room, pos=0, type=kind, data=msgspec.Raw(msgspec.json.encode(one))) for one in data
    ]
    if not frames:
        return
    entries = [Entry(Kind.MOTION, 0, msgspec.json.encode(frame)) for frame in frames]
    try:
        async with asyncio.timeout(PATIENCE_S):
            await publish(runtime.bus, runtime.settings.redis_prefix, {room: entries})
    except Exception as error:  # noqa: BLE001, told again in a moment
        log.warning("room_not_told", room=room, type=kind, error=repr(error))
