"""Logs made by COPY, and those who read them."""

import psycopg
import pytest

from bench.contestant import contestant, play
from bench.fill import INDEXES, fill, streams_of
from bench.load.append import Appends
from bench.load.loops import Window
from bench.load.read import Reads, read
from bench.load.streams import stream_ids
from bench.peers.selects import Selects
from domain.task import TaskChanged
from infra.runtime import Runtime
from infra.settings import Settings

EVENTS = 2_500


def indexes(settings: Settings) -> set[tuple[str, ...]]:
    with psycopg.connect(settings.database_url) as connection:
        return {tuple(row) for row in connection.execute(INDEXES)}


async def test_a_filled_log_reads_like_one_that_was_written(runtime: Runtime) -> None:
    before = indexes(runtime.settings)
    fill(runtime.settings.database_url, EVENTS)
    assert indexes(runtime.settings) == before
    log = await runtime.store.read(0, 2 * EVENTS)
    assert [one.position for one in log] == list(range(1, EVENTS + 1))
    assert all(isinstance(one.event, TaskChanged) for one in log)
    assert len({one.meta.command_id for one in log}) == EVENTS
    for stream in stream_ids(0, streams_of(EVENTS)):
        versions = [one.version for one in log if one.stream == stream]
        assert versions == list(range(1, len(versions) + 1))


async def test_a_filled_log_is_appended_to_at_its_end(runtime: Runtime) -> None:
    fill(runtime.settings.database_url, EVENTS)
    short, last = Window(seconds=0.2, before_s=0.1), streams_of(EVENTS)
    sample = play(contestant("formula", Appends(runtime.settings, 4, short, last=last)))
    assert (sample.errors, sample.error) == (0, "")
    log = await runtime.store.read(EVENTS, EVENTS)
    assert log[0].position == EVENTS + 1
    assert min(one.version for one in log) == EVENTS // last + 1


async def test_everything_is_read_once_by_each_reader(runtime: Runtime) -> None:
    settings = runtime.settings
    fill(settings.database_url, EVENTS)
    readers = (
        Reads(settings, EVENTS, page=1_000, decoded=False),
        Reads(settings, EVENTS, page=1_000, decoded=True),
        Selects(settings.database_url, EVENTS, page=1_000),
    )
    for reader in readers:
        sample = play(contestant("reads", reader))
        assert (sample.errors, sample.error) == (0, "")
        assert sample.values.pop("per_s") > 0
        assert sample.values == {"missed": 0, "twice": 0}


async def test_a_log_that_is_too_short_is_said_to_miss_events(runtime: Runtime) -> None:
    fill(runtime.settings.database_url, EVENTS)
    sample = play(contestant("reads", Reads(runtime.settings, EVENTS + 7, 1_000, decoded=True)))
    assert (sample.values["missed"], sample.values["twice"]) == (7, 0)


@pytest.mark.parametrize(
    ("positions", "missed", "twice"),
    [([1, 2, 3, 4], 0, 0), ([1, 2, 4], 1, 0), ([1, 2, 2, 3, 4], 0, 1), ([1, 1, 3, 4], 1, 1)],
)
def test_what_was_missed_and_what_came_twice_is_counted(
    positions: list[int], missed: int, twice: int
) -> None:
    assert read(4, positions, 1.0).values == {"per_s": 1.0, "missed": missed, "twice": twice}
