"""The readers of this node: who comes in without a socket, and their leases."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import msgspec
import structlog

from api.auth import Caller
from api.limiting import RateLimited
from api.realtime.hub import Hub
from api.realtime.outlet import Outlet
from api.realtime.pace import Pace
from api.realtime.reader import Reader
from api.realtime.socket import Connection
from api.realtime.upgrade import RETRY_S
from infra import readers
from infra.runtime import Origin, Runtime

log = structlog.get_logger()


class Wanted(msgspec.Struct, frozen=True):
    """What a request asks to read. `connection` is one for all requests of a client."""

    room: str
    connection: UUID
    after: int | None = None
    epoch: str = ""  # of `after`


class Readers:
    """By person, connection and room: whoever asks anew hears no more of the last request."""

    def __init__(
        self,
        runtime: Runtime,
        hub: Hub,
        epoch: str,
        came: Callable[[Connection], bool],  # False: it was sent away
        gone: Callable[[UUID], None],
    ) -> None:
        self._runtime, self._hub, self._epoch = runtime, hub, epoch
        self._came, self._gone = came, gone
        self.pace = Pace(runtime.store.append_motion)  # of what they do
        self._last: dict[tuple[UUID, UUID, str], Reader] = {}

    async def read(
        self, caller: Caller, origin: Origin, wanted: Wanted, abort: Callable[[], None]
    ) -> Reader:
        """A reader, joined. Raises what a join does."""
        key = (caller.id, wanted.connection, wanted.room)
        reader = Reader(
            self._runtime,
            self._hub,
            self._epoch,
            Outlet(abort),
            origin,
            lambda connection: self._ended(key, connection),
            caller,
            wanted.connection,
        )
        if not self._came(reader):
            return reader
        last = self._last.get(key)
        self._last[key] = reader
        if last is not None:
            last.outlet.finish()  # its seat is free for this one
        seat = self._runtime.limits.users.take(str(caller.id))
        if seat is None:
            reader.outlet.finish()
            raise RateLimited(RETRY_S)
        reader.seats.append(seat)
        try:
            same = not wanted.epoch or wanted.epoch == self._epoch
            await reader.open(wanted.room, wanted.after if same else None)
        except BaseException:
            reader.outlet.finish()
            raise
        return reader

    def _ended(self, key: tuple[UUID, UUID, str], connection: UUID) -> None:
        self._gone(connection)
        last = self._last.get(key)
        if last is not None and last.id == connection:
            del self._last[key]

    async def run(self) -> None:
        """Renew the leases of all who are served, until cancelled."""
        while True:
            await asyncio.sleep(readers.RENEW_S)
            held = [one for reader in self._last.values() for one in reader.participations]
            try:
                if held:
                    async with self._runtime.db.connection() as db:
                        await readers.renew(db, held)
            except Exception as error:  # noqa: BLE001, the next one may still be in time
                log.warning("readers_not_renewed", error=repr(error))
