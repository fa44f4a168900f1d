"""Formula's whole command path: load, decide, append; every command changes something."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import uvloop

from bench.child import Sample, answer, given
from bench.load.loops import Window, closed_loop
from bench.load.streams import ORIGIN, PROJECT, Streams, changed, metadata, stream_ids
from domain.task import TASK, ChangeTask, TaskCreated
from infra.eventstore.types import MAX_EVENTS, NEW, To
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings

AT_ONCE = 50  # loads while the states are warmed


class Commands(msgspec.Struct, frozen=True):
    """`first` to `last`: the numbers of the streams, apart from those that are only appended to."""

    settings: Settings
    callers: int
    window: Window
    first: int = 10_000
    last: int = 20_000


class NothingDone(Exception):
    """A command that should have changed something did not."""


async def run(load: Commands) -> Sample:
    """`per_s`: commands a second."""
    async with open_runtime(load.settings) as runtime:
        tasks = stream_ids(load.first, load.last)
        streams = Streams(await _hot(runtime, tasks))

        async def execute() -> None:
            stream, version = streams.take()
            title = changed(version).title
            command = ChangeTask(title=title, description=f"{title}: what does it cost?")
            done = await runtime.execute(ORIGIN, TASK, stream, command, project=PROJECT)
            if not done.events:
                raise NothingDone(f"by {command} to {stream} at {version}")
            streams.give(stream, done.version)

        return await closed_loop(load.callers, load.window, execute)


async def _hot(runtime: Runtime, tasks: Sequence[UUID]) -> dict[UUID, int]:
    """The tasks exist and their states are cached, as those of a process that runs for a while."""
    if (await runtime.load(TASK, tasks[0])).version == NEW:
        await _create(runtime, tasks)
    versions: dict[UUID, int] = {}
    for start in range(0, len(tasks), AT_ONCE):
        some = tasks[start : start + AT_ONCE]
        loaded = await asyncio.gather(*(runtime.load(TASK, task) for task in some))
        versions |= {task: one.version for task, one in zip(some, loaded, strict=True)}
    return versions


async def _create(runtime: Runtime, tasks: Sequence[UUID]) -> None:
    created = TaskCreated(project=PROJECT, title="A task of the load", at=datetime.now(UTC))
    for start in range(0, len(tasks), MAX_EVENTS):
        parts = (To(task, NEW, (created,)) for task in tasks[start : start + MAX_EVENTS])
        await runtime.store.append(metadata(runtime.new_id()), *parts)


if __name__ == "__main__":
    answer(uvloop.run(run(given(Commands))))
