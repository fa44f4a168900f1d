"""A project that has lived, and what a replay of it shows."""

from datetime import timedelta
from uuid import UUID

from tests.integration.sockets import Json, Live, Socket

LATER = timedelta(hours=1)


class Past:
    """A project in whose room Ann and Bob have met, an hour after it was created."""

    def __init__(self, live: Live, ann: UUID, bob: UUID, project: UUID, seen: list[Json]) -> None:
        self.live, self.ann, self.bob, self.project = live, ann, bob, project
        self.seen = seen  # by Bob, live
        self.room = f"project:{project}"

    @property
    def created(self) -> int:
        return int(self.seen[0]["recent"][0]["pos"])


async def opened(socket: Socket, past: Past, **fields: object) -> Json:
    joined = await socket.ask("replay", project=past.project, **fields)
    assert joined["op"] == "joined", joined
    return joined


async def ended(socket: Socket, room: str) -> list[Json]:
    """What a replay has shown since its newest `joined`, once it is at its end."""
    await socket.until(lambda frame: frame["op"] == "ended" and frame["room"] == room)
    return since_joined(socket, room)


def since_joined(socket: Socket, room: str) -> list[Json]:
    frames = [frame for frame in socket.seen if frame.get("room") == room]
    start = max(n for n, frame in enumerate(frames) if frame["op"] == "joined")
    return frames[start + 1 :]


def happening(frames: list[Json]) -> list[Json]:
    return [frame for frame in frames if frame["op"] in ("ev", "mo", "presence")]


def positions(frames: list[Json]) -> list[int]:
    return [frame["pos"] for frame in happening(frames)]
