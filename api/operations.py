"""/projections: how far the read models have come, what they hold back, and looking after them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_202_ACCEPTED
from msgspec import Meta

from api.call import Call
from api.paging import Cursor, Limit, Page, from_cursor, page
from domain.access import Action
from infra.db import Connection
from infra.runtime import Runtime
from projections import generations, upkeep
from projections.builders import Progress, progress
from projections.explaining import Explanation, explain
from projections.generations import RETIRED, SERVING, Generation
from projections.registry import PROJECTIONS
from projections.rows import fetch_all

CHECKPOINTS = """
SELECT name, position, updated_at,
    greatest((SELECT coalesce(max(notification_id), 0) FROM formula_events) - position, 0) AS lag
FROM formula_checkpoints ORDER BY name LIMIT 1000
"""

DEAD_LETTERS = """
SELECT d.projection, count(*) AS parked, count(d.error) AS failed, min(d.parked_at) AS since
FROM formula_dead_letters d JOIN formula_generations g
    ON g.schema = d.generation AND g.state = 'serving'
GROUP BY d.projection ORDER BY d.projection LIMIT 1000
"""


class Checkpoint(msgspec.Struct, frozen=True):
    """A consumer of the log. `lag`: positions that it has yet to see."""

    name: str
    position: int
    updated_at: datetime
    lag: int


class DeadLetters(msgspec.Struct, frozen=True):
    """Events a projection holds back: those that `failed`, and those of their streams behind."""

    projection: str
    parked: int
    failed: int
    since: datetime


class Projected(msgspec.Struct, frozen=True):
    """A read model, with the group whose checkpoint it shares."""

    name: str
    group: str
    version: int


class Projections(msgspec.Struct, frozen=True):
    groups: list[Checkpoint]
    projections: list[Projected]
    dead_letters: list[DeadLetters]
    builds: list[Progress]


class Asked(msgspec.Struct, frozen=True):
    """What is going to serve."""

    projection: str
    generation: str


class Skip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=500, examples=["written by a client of 2019"])]


@get("/projections", opt={"action": Action.PROJECTIONS_READ})
async def list_projections(runtime: NamedDependency[Runtime]) -> Projections:
    async with runtime.db.connection() as db:
        groups = await fetch_all(db, Checkpoint, CHECKPOINTS, {})
        dead = await fetch_all(db, DeadLetters, DEAD_LETTERS, {})
        builds = await _builds(runtime, db, [one.name for one in PROJECTIONS])
    known = [Projected(one.name, one.group, one.version) for one in PROJECTIONS]
    return Projections(groups, known, dead, builds)


async def _builds(runtime: Runtime, db: Connection, names: Sequence[str]) -> list[Progress]:
    now = runtime.now()
    return [
        progress(one, (now - one.asked_at).total_seconds())
        for one in await generations.generations(db, names)
        if one.state not in (SERVING, RETIRED)
    ]


@get("/projections/{name:str}/generations", opt={"action": Action.PROJECTIONS_READ})
async def list_generations(
    name: FromPath[str], runtime: NamedDependency[Runtime]
) -> list[Generation]:
    """Those that serve, are being built, or served before; asked for last, first."""
    upkeep.named(name)
    async with runtime.db.connection() as db:
        return await generations.generations(db, [name])


@get("/projections/{name:str}/builds", opt={"action": Action.PROJECTIONS_READ})
async def list_builds(name: FromPath[str], runtime: NamedDependency[Runtime]) -> list[Progress]:
    """What is being built: how far, how fast, how long still."""
    upkeep.named(name)
    async with runtime.db.connection() as db:
        return await _builds(runtime, db, [name])


@post(
    "/projections/{name:str}/rebuild",
    opt={"action": Action.PROJECTIONS_MANAGE},
    status_code=HTTP_202_ACCEPTED,
)
async def rebuild(
    name: FromPath[str], runtime: NamedDependency[Runtime], call: NamedDependency[Call]
) -> Asked:
    """Build it anew beside what serves; it is switched to when it has caught up."""
    return Asked(name, await upkeep.ask_rebuild(runtime, call.origin, name))


@post(
    "/projections/{name:str}/rollback",
    opt={"action": Action.PROJECTIONS_MANAGE},
    status_code=HTTP_202_ACCEPTED,
)
async def rollback(
    name: FromPath[str], runtime: NamedDependency[Runtime], call: NamedDependency[Call]
) -> Asked:
    """Go back to what served before, brought up to date first."""
    return Asked(name, await upkeep.ask_rollback(runtime, call.origin, name))


@get("/projections/{name:str}/letters", opt={"action": Action.PROJECTIONS_MANAGE})
async def list_letters(
    name: FromPath[str],
    runtime: NamedDependency[Runtime],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[upkeep.Letter]:
    """Events that it failed on, and those of their streams that wait behind; oldest first."""
    after = from_cursor(cursor, int)
    async with runtime.db.connection() as db:
        found = await upkeep.letters(db, upkeep.named(name).name, after, limit + 1)
    return page(found, limit, lambda one: one.position)


@post(
    "/projections/{name:str}/letters/{position:int}/retry",
    opt={"action": Action.PROJECTIONS_MANAGE},
    status_code=HTTP_202_ACCEPTED,
)
async def retry(
    name: FromPath[str],
    position: FromPath[int],
    runtime: NamedDependency[Runtime],
    call: NamedDependency[Call],
) -> None:
    """Try it again, and those behind it."""
    await upkeep.ask_retry(runtime, call.origin, name, position)


@post(
    "/projections/{name:str}/letters/{position:int}/skip",
    opt={"action": Action.PROJECTIONS_MANAGE},
    status_code=HTTP_202_ACCEPTED,
)
async def skip(
    name: FromPath[str],
    position: FromPath[int],
    data: JSONBody[Skip],
    runtime: NamedDependency[Runtime],
    call: NamedDependency[Call],
) -> None:
    """Pass over it for good, in rebuilds as well, and try those behind it."""
    await upkeep.ask_skip(runtime, call.origin, name, position, data.reason)


@get("/projections/{name:str}/explain", opt={"action": Action.PROJECTIONS_EXPLAIN})
async def explain_row(
    name: FromPath[str],
    runtime: NamedDependency[Runtime],
    key: Annotated[list[str], QueryParameter(max_items=10, description="the row's key")],
    table: FromQuery[str | None] = None,
) -> Explanation:
    """The events that made a row, each with what it changed."""
    return await explain(runtime, upkeep.named(name), key, table)


operations = Router(
    "/",
    route_handlers=[
        list_projections,
        list_generations,
        list_builds,
        rebuild,
        rollback,
        list_letters,
        retry,
        skip,
        explain_row,
    ],
    tags=["operations"],
)
