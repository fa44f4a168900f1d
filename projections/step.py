"""One step of projecting: a batch's rows and the position they bring it to, in one transaction."""

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import msgspec
import psycopg
import structlog

from domain.kernel import Event, Recorded
from infra.bus import Entry
from infra.db import FENCED, Connection
from infra.eventstore.store import Store
from infra.pipelined import Pipelined
from projections.apply import Statement, apply, pieces, send, statements
from projections.feed import Feed
from projections.model import Projection, Push, Write, reads
from projections.parking import SKIPPED, Asked, Letters, held

AnyProjection = Projection[Any]
Move = Callable[[int, int], Statement]  # from one position to another, or FENCED
Publish = Callable[[dict[str, list[Entry]]], Awaitable[None]]

log = structlog.get_logger()


class Deposed(Exception):
    """Somebody else moved the position: this one's transaction was rolled back."""


@contextmanager
def fenced() -> Generator[None]:
    """Raises Deposed for what a fenced move says."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate == FENCED:
            raise Deposed(str(error).partition("\n")[0]) from error
        raise


async def nobody(_entries: dict[str, list[Entry]]) -> None:
    """A rebuild pushes nothing: frames only go to the rooms' log."""


class Prepared(msgspec.Struct, frozen=True):
    """What a batch comes to: its rows as Postgres takes them, and its pushes in order.

    `edition`: of the letters that it goes by.
    """

    statements: list[Statement]
    pushes: list[Push]
    edition: object


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Applies batches for the one who may: the projections share a position and a transaction.

    `parks`: an event at fault has a dead letter, else the projection at fault passes over it.
    `bulk`: rows go in by COPY, a round trip each table, as suits large batches.
    """

    connection: Connection
    pipelined: Pipelined  # of the connection
    projections: Sequence[AnyProjection]
    letters: Letters
    move: Move
    publish: Publish = nobody
    parks: bool = True
    bulk: bool = False
    feed: Feed = msgspec.field(default_factory=Feed)

    def prepare(self, batch: Sequence[Recorded[Event]]) -> Prepared | None:
        """Project a batch before its turn. None where that fails: it fails again in its turn."""
        try:
            return self._prepare(batch)
        except Exception:  # noqa: BLE001, `advance` finds the event at fault
            return None

    async def advance(
        self,
        position: int,
        batch: Sequence[Recorded[Event]],
        to: int,
        prepared: Prepared | None = None,
    ) -> None:
        """Project a batch that was read after `position` and reaches to `to`.

        A batch that fails is halved until the event at fault is alone. Raises Deposed, and
        psycopg.OperationalError where it is not the batch's fault.
        """
        try:
            if prepared is None or prepared.edition is not self.letters.edition:
                prepared = self._prepare(batch)
            with fenced():
                entries = await self._commit(position, prepared, to)
        except Exception as error:
            self.feed.forget()
            if isinstance(error, Deposed | psycopg.OperationalError) or not batch:
                raise
            await self._isolate(position, batch, to)
            return
        await self.publish(entries)

    def _prepare(self, batch: Sequence[Recorded[Event]]) -> Prepared:
        handled = reads(self.projections)
        wanted = [one for one in batch if type(one.event) in handled]
        writes = [write for one in self.projections for write in self._writes(one, wanted)]
        pushes = [write for write in writes if isinstance(write, Push)]
        pushes.sort(key=lambda push: push.recorded.position)
        return Prepared(statements(writes, bulk=self.bulk), pushes, self.letters.edition)

    async def _commit(self, position: int, prepared: Prepared, to: int) -> dict[str, list[Entry]]:
        """Rows and position in one transaction, and that in one round trip unless in bulk."""
        admitted = await self.feed.admit(self.connection, prepared.pushes)
        rows = [*prepared.statements, *statements(admitted.writes, bulk=self.bulk)]
        rows = [self.move(position, to), *rows]
        taken = None if self.bulk else pieces(rows)
        if taken is not None:
            await self.pipelined.transact(taken)
        else:
            await self._send(rows)
        self.feed.trim()
        return admitted.entries

    async def _send(self, rows: Sequence[Statement]) -> None:
        async with AsyncExitStack() as stack:
            if not self.bulk:
                await stack.enter_async_context(self.connection.pipeline())
            await stack.enter_async_context(self.connection.transaction())
            await send(self.connection, rows)

    def _writes(self, projection: AnyProjection, batch: Sequence[Recorded[Event]]) -> list[Write]:
        handled = reads([projection])
        mine = [one for one in batch if type(one.event) in handled]
        free, parked = self.letters.sort(projection.name, mine)
        return [*parked, *(projection.project(free) if free else [])]

    async def _isolate(self, position: int, batch: Sequence[Recorded[Event]], to: int) -> None:
        if len(batch) > 1:
            middle = len(batch) // 2
            between = batch[middle - 1].position
            await self.advance(position, batch[:middle], between)
            await self.advance(between, batch[middle:], to)
            return
        one = batch[0]
        with fenced():
            entries = await self._commit_alone(position, one, to)
        await self.publish(entries)

    async def _commit_alone(
        self, position: int, one: Recorded[Event], to: int
    ) -> dict[str, list[Entry]]:
        """What the projections make of it that can; each in a savepoint, as are the frames."""
        async with self.connection.transaction():
            await send(self.connection, [self.move(position, to)])
            writes = [
                write
                for projection in self.projections
                for write in await self._try_alone(projection, one)
            ]
            return await self._push_alone([one for one in writes if isinstance(one, Push)])

    async def _push_alone(self, pushes: Sequence[Push]) -> dict[str, list[Entry]]:
        try:
            async with self.connection.transaction():
                admitted = await self.feed.admit(self.connection, pushes)
                await apply(self.connection, admitted.writes)
        except psycopg.OperationalError:
            raise
        except Exception:  # its rows are there; the frames cannot be kept
            self.feed.forget()
            log.exception("event_not_pushed")
            return {}
        return admitted.entries

    async def _try_alone(self, projection: AnyProjection, one: Recorded[Event]) -> Sequence[Write]:
        """Whichever projection cannot apply the event has a dead letter, if it `parks`."""
        try:
            async with self.connection.transaction():
                writes = self._writes(projection, [one])
                await apply(self.connection, writes)
        except psycopg.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001, written down with its dead letter
            log.error(  # noqa: TRY400, the traceback is in the letter
                "event_not_projected",
                projection=projection.name,
                position=one.position,
                stream=str(one.stream),
                error=repr(error),
            )
            if self.parks:
                await apply(self.connection, [self.letters.park(projection.name, one, error)])
                self.letters.block(projection.name, one.stream)
            return []
        return writes

    async def mend(self, store: Store, position: int, asked: Asked) -> None:
        """Do what an operator asked for a stream's letters; the next that fails holds the rest.

        The events are projected in their order with the code of today. Raises Deposed.
        """
        with fenced():
            await self._mend(store, position, asked)
        await self.letters.load(self.connection)

    async def _mend(self, store: Store, position: int, asked: Asked) -> None:
        positions = await held(self.connection, asked)
        if asked.asked == "skip":
            await self._pass_over(position, asked, positions.pop(0))
        [projection] = [one for one in self.projections if one.name == asked.projection]
        after = positions[0] - 1 if positions else 0
        while positions:
            batch = await store.read(after, len(positions), streams=[asked.stream])
            for one in [one for one in batch if one.position in positions]:
                if self.letters.skips(projection.name, one.position):
                    await self._pass_over(position, asked, one.position)
                elif not await self._mended(position, projection, one):
                    return
                positions.remove(one.position)
            after = batch[-1].position

    async def _pass_over(self, position: int, asked: Asked, first: int) -> None:
        async with self.connection.transaction():
            await send(self.connection, [self.move(position, position)])
            await apply(self.connection, [self.letters.free(asked.projection, [first])])
            await self.connection.execute(SKIPPED, (asked.projection, first))

    async def _mended(self, position: int, projection: AnyProjection, one: Recorded[Event]) -> bool:
        async with self.connection.transaction():
            await send(self.connection, [self.move(position, position)])
            try:
                async with self.connection.transaction():
                    await apply(self.connection, projection.project([one]))
            except psycopg.OperationalError:
                raise
            except Exception as error:  # noqa: BLE001, written down with its dead letter
                await apply(self.connection, [self.letters.park(projection.name, one, error)])
                return False
            await apply(self.connection, [self.letters.free(projection.name, [one.position])])
        return True
