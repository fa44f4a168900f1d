"""One project's life in a log, and the read model that replays go by: what seeks are asked of."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle, islice
from uuid import UUID

import msgspec
import uvloop

from bench.child import Sample, answer, given
from bench.load.project import projected
from bench.load.streams import PROJECT, changed, metadata, stream_ids
from domain.kernel import Event
from domain.project import ProjectCreated
from domain.task import TaskCreated, TaskStatus, TaskStatusChanged
from infra.eventstore.types import ANY, MAX_EVENTS, To
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from projections.projector import Group
from projections.timeline import PROJECTION

TASKS = 2_000
COMMANDS = 8  # on their way at once


class Lives(msgspec.Struct, frozen=True):
    """`events`: of the project, in an empty log; a task is changed, then moved, in turn."""

    settings: Settings
    events: int


async def run(load: Lives) -> Sample:
    """`start`, `end`: positions of the project's first and last event."""
    async with open_runtime(load.settings) as runtime:
        start = await _append(runtime, PROJECT, (_created(),))
        tasks = stream_ids(0, TASKS)
        for task in tasks:
            await _append(runtime, task, (_task(),))
        pieces = _pieces(tasks, load.events)
        await asyncio.gather(*(_work(runtime, pieces) for _ in range(COMMANDS)))
        end = await runtime.store.head()
        await projected(runtime, Group(PROJECTION.group, (PROJECTION,)), end)
    return Sample({"start": start, "end": end})


async def _work(runtime: Runtime, pieces: Iterator[tuple[UUID, tuple[Event, ...]]]) -> None:
    for stream, events in pieces:
        await _append(runtime, stream, events)


async def _append(runtime: Runtime, stream: UUID, events: tuple[Event, ...]) -> int:
    done = await runtime.store.append(metadata(runtime.new_id()), To(stream, ANY, events))
    return done.positions[0]


def _pieces(tasks: list[UUID], events: int) -> Iterator[tuple[UUID, tuple[Event, ...]]]:
    """A hundred events of one task, then of the next."""
    size = MAX_EVENTS // 10
    moved = TaskStatusChanged(status=TaskStatus.DONE, was=TaskStatus.TODO)
    back = TaskStatusChanged(status=TaskStatus.TODO, was=TaskStatus.DONE)
    for number, task in enumerate(islice(cycle(tasks), events // size)):
        yield task, (changed(number), moved, changed(number), back) * (size // 4)


def _created() -> ProjectCreated:
    return ProjectCreated(name="The north hall", manager=PROJECT, at=datetime.now(UTC))


def _task() -> TaskCreated:
    return TaskCreated(project=PROJECT, title="Review the offer", at=datetime.now(UTC))


if __name__ == "__main__":
    answer(uvloop.run(run(given(Lives))))
