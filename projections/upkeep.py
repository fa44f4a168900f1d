"""What operators ask of read models: noted as an event, and then the leader's or a builder's work.

The event is stored before what was asked commits: nothing is done that is not on record.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from domain.errors import NotFound, WrongState
from domain.upkeep import (
    UPKEEP,
    AskRebuild,
    AskRetry,
    AskRollback,
    AskSkip,
    UpkeepCommand,
    upkeep_stream,
)
from infra.db import Connection
from infra.runtime import Origin, Runtime
from projections import generations
from projections.generations import BUILDING, READY, SERVING, SWITCHING, Generation
from projections.parking import SKIPPED
from projections.registry import PROJECTIONS
from projections.rows import fetch_all, fetch_one
from projections.step import AnyProjection


class Letter(msgspec.Struct, frozen=True):
    """An event that a projection holds back; without an `error` it waits behind an earlier one."""

    projection: str
    generation: str
    position: int
    stream: UUID
    attempts: int
    asked: str | None
    parked_at: datetime
    error: str | None


LETTERS = """
SELECT d.projection, d.generation, d.position, d.stream, d.attempts, d.asked, d.parked_at, d.error
FROM formula_dead_letters d JOIN formula_generations g
    ON g.schema = d.generation AND g.state = 'serving'
WHERE d.projection = %(projection)s AND d.position > %(after)s
ORDER BY d.position LIMIT %(limit)s
"""
LETTER = """
SELECT d.projection, d.generation, d.position, d.stream, d.attempts, d.asked, d.parked_at, d.error
FROM formula_dead_letters d JOIN formula_generations g
    ON g.schema = d.generation AND g.state = 'serving'
WHERE d.projection = %(projection)s AND d.position = %(position)s
"""
# Of every generation: what is being built comes to serve with the same letter.
ASK = """
UPDATE formula_dead_letters SET asked = %s
WHERE projection = %s AND position = %s AND error IS NOT NULL
"""


def named(name: str) -> AnyProjection:
    """Raises NotFound."""
    for projection in PROJECTIONS:
        if projection.name == name:
            return projection
    raise NotFound("projection.not_found", name=name)


async def letters(
    db: Connection, projection: str, after: int | None = None, limit: int = 50
) -> list[Letter]:
    """What the serving generation holds back, oldest first, by position."""
    values = {"projection": projection, "after": after or 0, "limit": limit}
    return await fetch_all(db, Letter, LETTERS, values)


async def letter(db: Connection, projection: str, position: int) -> Letter:
    """Raises NotFound."""
    values = {"projection": projection, "position": position}
    found = await fetch_one(db, Letter, LETTER, values)
    if found is None:
        raise NotFound("letter.not_found", projection=projection, position=position)
    return found


async def ask_rebuild(runtime: Runtime, origin: Origin, name: str) -> str:
    """Have it built anew beside what serves; returns the generation. Raises WrongState."""
    projection = named(name)
    async with runtime.db.connection() as connection, generations.alone(connection):
        pending = _pending(await generations.generations(connection, [name]))
        if pending is not None:
            raise WrongState("projection.building", generation=pending.schema)
        schema = await generations.ask(connection, projection)
        await _note(runtime, origin, AskRebuild(projection=name))
        return schema


async def ask_rollback(runtime: Runtime, origin: Origin, name: str) -> str:
    """Go back to what served before, brought up to date; returns it. Raises WrongState.

    Where that is of another version, the code of that version must run. What is being built of a
    newer version is given up, and what serves goes on.
    """
    projection = named(name)
    async with runtime.db.connection() as connection, generations.alone(connection):
        found = await generations.generations(connection, [name])
        serves = next((one for one in found if one.state == SERVING), None)
        pending = _pending(found)
        if pending is None:
            there = await generations.back(connection, name, projection.group)
        elif serves and pending.version > serves.version and pending.state != SWITCHING:
            await generations.give_up(connection, pending)
            there = serves
        else:
            raise WrongState("projection.building", generation=pending.schema)
        if there is None:
            raise WrongState("projection.nothing_before", projection=name)
        await _note(runtime, origin, AskRollback(projection=name))
        return there.schema


def _pending(found: Iterable[Generation]) -> Generation | None:
    """What is to serve and does not yet."""
    return next((one for one in found if one.state in (BUILDING, READY, SWITCHING)), None)


async def ask_retry(runtime: Runtime, origin: Origin, name: str, position: int) -> None:
    """Have a dead letter and those behind it tried again, by the group's leader."""
    await _ask(runtime, origin, AskRetry(projection=name, at=position), "retry")


async def ask_skip(runtime: Runtime, origin: Origin, name: str, position: int, reason: str) -> None:
    """Have a dead letter passed over for good, and those behind it tried again."""
    await _ask(runtime, origin, AskSkip(projection=name, at=position, reason=reason), "skip")


async def _ask(runtime: Runtime, origin: Origin, command: AskRetry | AskSkip, what: str) -> None:
    """Raises NotFound, and WrongState for one that only waits behind another."""
    projection = named(command.projection)
    async with runtime.db.connection() as connection, generations.alone(connection):
        there = await letter(connection, projection.name, command.at)
        if there.error is None:
            raise WrongState("letter.behind", position=command.at, stream=there.stream)
        if isinstance(command, AskSkip):
            await _skip(connection, projection, command.at)
        values = (what, there.projection, there.position)
        if not (await connection.execute(ASK, values)).rowcount:
            raise NotFound("letter.not_found", projection=there.projection, position=command.at)
        await _note(runtime, origin, command)


async def _skip(connection: Connection, projection: AnyProjection, position: int) -> None:
    """What is being built may have the event already: it is begun anew, without it."""
    pending = _pending(await generations.generations(connection, [projection.name]))
    if pending and (pending.version != projection.version or pending.state == SWITCHING):
        raise WrongState("projection.building", generation=pending.schema)
    await connection.execute(SKIPPED, (projection.name, position))
    if pending:
        await generations.ask(connection, projection)


async def _note(runtime: Runtime, origin: Origin, command: UpkeepCommand) -> None:
    stream = upkeep_stream(command.projection)
    await runtime.execute(origin, UPKEEP, stream, command, blind=True)
