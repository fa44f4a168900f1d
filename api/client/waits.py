"""Locks that are waited for: the grant comes as an event, and perhaps before the answer."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import msgspec

from api.client.errors import ClientError, Refused
from api.realtime import protocol as p
from projections.frames import Ev


class _Unqueued(msgspec.Struct, frozen=True):
    resource: str
    participation: UUID
    reason: str


class Wait:
    """One call that waits. Its `outcome` is None when it has to ask again."""

    def __init__(self, room: str, resource: str) -> None:
        self.room, self.resource = room, resource
        self.outcome: asyncio.Future[p.Held | None]
        self.again()

    def again(self) -> None:
        """About to ask: what came before does not count."""
        self.outcome = asyncio.get_running_loop().create_future()

    def end(self, outcome: p.Held | ClientError | None) -> None:
        if self.outcome.done():
            return
        if isinstance(outcome, ClientError):
            self.outcome.set_exception(outcome)
            self.outcome.exception()  # perhaps nobody asks for it: the answer said so as well
        else:
            self.outcome.set_result(outcome)


class Waits:
    """The calls of a connection that wait; `here` are one's own participations, by room."""

    def __init__(self) -> None:
        self._waits: list[Wait] = []

    def begin(self, room: str, resource: str) -> Wait:
        wait = Wait(room, resource)
        self._waits.append(wait)
        return wait

    def finish(self, wait: Wait) -> None:
        self._waits.remove(wait)

    def heard(self, frame: Ev, here: Mapping[str, UUID]) -> None:
        """The room tells of a grant, and one's own room too: whichever comes first."""
        if frame.type == "lock.granted":
            held = msgspec.json.decode(frame.data, type=p.Held)
            self._end(held.resource, held.participation, here, held)
        elif frame.type == "lock.unqueued":
            gone = msgspec.json.decode(frame.data, type=_Unqueued)
            if gone.reason == "denied":
                self._end(gone.resource, gone.participation, here, Refused("access.denied"))

    def rejoined(self, room: str) -> None:
        """Perhaps under another participation, which waits for nothing yet."""
        for wait in self._waits:
            if wait.room == room:
                wait.end(None)

    def left(self, room: str) -> None:
        for wait in self._waits:
            if wait.room == room:
                wait.end(Refused("room.left"))

    def _end(
        self,
        resource: str,
        participation: UUID | None,
        here: Mapping[str, UUID],
        outcome: p.Held | ClientError,
    ) -> None:
        for wait in self._waits:
            if wait.resource == resource and here.get(wait.room) == participation:
                wait.end(outcome)
