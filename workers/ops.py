"""How everything stands, for the room `ops`: told again and again while somebody is in it.

Made by the scheduler that leads, so by one process, and without the log: it is a look, not a fact.
What is a fact (rebuilds and retries that were asked for, checks that found something) comes to the
room as events.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.job_args import QueueName
from domain.rooms import OPS
from infra.db import Connection
from infra.jobs.reading import Count, depths
from infra.nodes import nodes
from infra.runtime import Runtime
from projections.projector import lag
from projections.read import reading
from projections.telling import tell

TYPE = "ops.status"
MOST_NODES = 100  # told of; more stand in the health summary

WATCHED = "SELECT EXISTS (SELECT FROM members WHERE room = %s)"


class Process(msgspec.Struct, frozen=True):
    node: UUID
    role: str
    host: str
    state: str  # starting, ready, stopping, gone
    detail: Mapping[str, Any]


class OpsStatus(msgspec.Struct, frozen=True):
    """`lag`: positions behind, by consumer of the log; `queues`: jobs that are not over well."""

    at: datetime
    position: int
    lag: Mapping[str, int]
    queues: list[Count]
    nodes: list[Process]


class TellOps:
    """A tick of the scheduler."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __call__(self, _now: float) -> None:
        async with reading(self._runtime, group="live") as db:
            watched = await _watched(db)
        if watched:
            await tell(self._runtime, OPS, TYPE, await look(self._runtime))


async def _watched(db: Connection) -> bool:
    row = await (await db.execute(WATCHED, (OPS,))).fetchone()
    return bool(row and row[0])


async def look(runtime: Runtime) -> OpsStatus:
    async with runtime.db.connection() as db:
        queues = await depths(db, [name.value for name in QueueName])
    found = await nodes(runtime)
    return OpsStatus(
        at=runtime.now(),
        position=await runtime.store.head(),
        lag=await lag(runtime),
        queues=queues,
        nodes=[
            Process(one.node, one.role, one.name, one.state if one.alive else "gone", one.detail)
            for one in found[:MOST_NODES]
        ],
    )
