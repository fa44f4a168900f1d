"""/projections: how far the read models have come, and what they hold back."""

from datetime import datetime

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency

from domain.access import Action
from infra.runtime import Runtime
from projections.registry import PROJECTIONS
from projections.rows import fetch_all

CHECKPOINTS = """
SELECT name, position, updated_at,
    greatest((SELECT coalesce(max(notification_id), 0) FROM formula_events) - position, 0) AS lag
FROM formula_checkpoints ORDER BY name LIMIT 1000
"""

DEAD_LETTERS = """
SELECT projection, count(*) AS parked, count(error) AS failed, min(parked_at) AS since
FROM formula_dead_letters GROUP BY projection ORDER BY projection LIMIT 1000
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


@get("/projections", opt={"action": Action.PROJECTIONS_READ})
async def list_projections(runtime: NamedDependency[Runtime]) -> Projections:
    async with runtime.db.connection() as db:
        groups = await fetch_all(db, Checkpoint, CHECKPOINTS, {})
        dead = await fetch_all(db, DeadLetters, DEAD_LETTERS, {})
    known = [Projected(one.name, one.group, one.version) for one in PROJECTIONS]
    return Projections(groups, known, dead)


operations = Router("/", route_handlers=[list_projections], tags=["operations"])
