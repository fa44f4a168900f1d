"""What the tour's scenes share: who plays, where, and what was seen so far."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from api.client.client import Client
from api.client.frames import data
from api.client.latency import Latency
from api.client.live import Live
from api.client.room import Room
from api.seed import PASSWORD, project_id
from api.seed_data import DOMAIN
from projections.frames import Ev

POLL_S = 0.1


class Failed(Exception):
    """Something is not as the tour tells it."""


class Player:
    """A person of the tour; `live` and `room` once they have come."""

    def __init__(self, name: str, client: Client) -> None:
        self.name, self.client = name, client
        self.live: Live
        self.room: Room

    @property
    def id(self) -> UUID:
        return self.client.me.id


class Stage:
    """One tour. `run` tells its traces from those of other tours in the same store."""

    def __init__(
        self, url: str, mailbox: Path | None, stack: AsyncExitStack, say: Callable[[str], None]
    ) -> None:
        self.url, self.mailbox, self.say = url, mailbox, say
        self.project = project_id("tour")
        self.ann: Player
        self.bob: Player
        self.auditor: Player
        self.analyst: Player
        self.operator: Player
        self.run = ""
        self.since: datetime
        self.task: UUID
        self.mention = 0  # the position of the comment that mentions Bob
        self.notice = 0  # and that of what tells him so
        self.done: list[int] = []  # positions of what the tour did, oldest first
        self.latency: Latency | None = None
        self._stack = stack

    async def sign_in(self, name: str) -> Player:
        client = await self._stack.enter_async_context(Client(self.url))
        await client.login(f"tour-{name}@{DOMAIN}", PASSWORD)
        return Player(name.title(), client)

    async def come(self, player: Player) -> None:
        """Connect and join the project's room."""
        live = player.client.connect(device=f"{player.name}'s laptop")
        player.live = await self._stack.enter_async_context(live)
        player.room = await player.live.join(f"project:{self.project}")

    def did(self, position: int | None) -> int:
        """Note what the auditor must find again."""
        if position is None:
            raise Failed("something that should have been new had been done before")
        self.done.append(position)
        return position


async def events(room: Room, type_: str) -> AsyncIterator[tuple[Ev, Any]]:
    """Events of a type with their payloads, as they come."""
    async for frame in room:
        if isinstance(frame, Ev) and frame.type == type_:
            yield frame, data(frame)


async def event(room: Room, type_: str, wanted: Callable[[Any], bool]) -> Ev:
    """The next event of a type whose payload is the wanted one."""
    async for frame, payload in events(room, type_):
        if wanted(payload):
            return frame
    raise Failed(f"the room ended before {type_} came")


async def eventually(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The first answer that is not None: for what has no event to wait for."""
    while (answer := await ask()) is None:  # noqa: ASYNC110, another process will answer
        await asyncio.sleep(POLL_S)
    return answer


def check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Failed(otherwise)
