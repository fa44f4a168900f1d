"""An event of each kind is poison to every projection that parks: its stream waits, no other does.

Once the cause is gone and the letters are tried again, every row is as a rebuild makes it.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from domain.kernel import Event, Metadata, Recorded
from domain.registry import DECIDERS, tag_of
from domain.task import TaskCreated, TaskStatusChanged
from infra.eventstore.types import ANY, To
from infra.runtime import Runtime
from projections.model import Projection, Write
from projections.projector import grouped, run_groups
from projections.read import reading, wait_for
from projections.registry import PROJECTIONS
from tests.faults.projecting import LIMIT_S, assert_as_rebuilt
from tests.golden.generate import sample

pytestmark = [pytest.mark.services, pytest.mark.faults]

PARKING = [one for one in PROJECTIONS if one.group != "live"]
GROUPS = [group.name for group in grouped(PARKING)]
POLL_S = 0.1
# Each kind, and what comes behind it in its stream: the next, for nothing is created twice.
KINDS = [
    (event, decider.events[(at + 1) % len(decider.events)])
    for decider in DECIDERS
    for at, event in enumerate(decider.events)
]
ASK = """
UPDATE formula_dead_letters SET asked = %s WHERE error IS NOT NULL AND asked IS NULL
"""

Letter = tuple[str, str, bool]  # projection, tag, whether it has an error or waits behind one


class Poisoned:
    """The code of a projection with a defect, until that is mended."""

    def __init__(self, projection: Projection[Any], positions: set[int]) -> None:
        self._project, self._positions = projection.project, positions

    def __call__(self, batch: Sequence[Recorded[Any]]) -> list[Write]:
        for one in batch:
            if one.position in self._positions:
                raise ZeroDivisionError(f"position {one.position}")
        return self._project(batch)


@asynccontextmanager
async def projected(runtime: Runtime, positions: set[int]) -> AsyncGenerator[None]:
    """Here, by code to which the events at `positions` are poison; they may be taken out."""
    poisoned = [msgspec.structs.replace(one, project=Poisoned(one, positions)) for one in PARKING]
    running = asyncio.create_task(
        run_groups(runtime, grouped(poisoned), lambda _name, _leads: None)
    )
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def store(runtime: Runtime, stream: UUID, event: Event) -> int:
    metadata = Metadata(actor=uuid4(), command="test", command_id=uuid4(), project_id=uuid4())
    appended = await runtime.store.append(metadata, To(stream, ANY, (event,)))
    return appended.positions[-1]


async def until_at_head(runtime: Runtime) -> None:
    for group in GROUPS:
        await wait_for(runtime, group, await runtime.store.head(), LIMIT_S)


async def letters(runtime: Runtime) -> list[Letter]:
    async with reading(runtime) as db:
        cursor = await db.execute(
            "SELECT projection, topic, error IS NOT NULL FROM formula_dead_letters"
            " JOIN formula_events ON notification_id = position"
        )
        return sorted(await cursor.fetchall())


async def test_a_poison_event_of_each_kind_is_mended_by_its_retry(runtime: Runtime) -> None:
    positions = set[int]()
    for event, other in KINDS:
        stream = uuid4()
        positions.add(await store(runtime, stream, sample(event)))
        await store(runtime, uuid4(), sample(event))
        await store(runtime, stream, sample(other))
    async with projected(runtime, positions):
        await until_at_head(runtime)
        assert await letters(runtime) == parked()
        positions.clear()
        await ask(runtime, "retry")
        await until_at_head(runtime)
        await assert_as_rebuilt(runtime, *GROUPS)


async def test_rows_that_postgres_refuses_are_held_until_they_are_skipped(
    runtime: Runtime,
) -> None:
    """A task that was created twice has two rows of one key."""
    stream, created, begun = uuid4(), sample(TaskCreated), sample(TaskStatusChanged)
    for event in (created, created, begun):
        await store(runtime, stream, event)
    await store(runtime, uuid4(), created)
    async with projected(runtime, set()):
        await until_at_head(runtime)
        assert await letters(runtime) == [
            ("analytics_flow", tag_of(TaskCreated), True),
            ("analytics_flow", tag_of(TaskStatusChanged), False),
        ]
        await ask(runtime, "skip")
        await until_at_head(runtime)
        await assert_as_rebuilt(runtime, *GROUPS)


def parked() -> list[Letter]:
    """Of every projection the poison events, and those behind that it would have handled."""
    found: list[Letter] = []
    for projection in PARKING:
        for event, other in KINDS:
            if event in projection.events:
                found.append((projection.name, tag_of(event), True))
                if other in projection.events:
                    found.append((projection.name, tag_of(other), False))
    return sorted(found)


async def ask(runtime: Runtime, what: str) -> None:
    """Return once it is done with all letters."""
    async with asyncio.timeout(LIMIT_S):
        while await letters(runtime):
            async with reading(runtime) as db:
                await db.execute(ASK, (what,))
            await asyncio.sleep(POLL_S)
