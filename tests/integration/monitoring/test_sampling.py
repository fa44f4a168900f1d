"""What a process writes of itself: every increase once, whatever happens to it or to Postgres."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from infra.db import Connection
from infra.metrics import Counter, Gauge, Histograms, Metric, Metrics, Totals
from infra.monitoring.history import Query, windows
from infra.monitoring.sampling import BACKLOG_S, Sampler, sampling, shared
from infra.runtime import Runtime
from tests.integration.monitoring.given import NOW, rows

MADE = "formula_made_total"


class Process:
    """Something that counts, and its sampler."""

    def __init__(self, runtime: Runtime, **options: Any) -> None:
        self.made = Counter(MADE, "things")
        self.open = 0.0
        self.times = Histograms("formula_http_seconds", "times", ("route", "status"))
        gauge = Gauge("formula_open", "now", lambda: self.open)
        self.metrics = Metrics([self.made, gauge, self.times])
        self.sampler = Sampler(runtime, "api", self.metrics, **options)
        self.samples = 0

    async def sample(self) -> None:
        await self.sampler.sample(NOW + timedelta(seconds=10 * self.samples))
        self.samples += 1


async def written(db: Connection, metric: str) -> list[tuple[Any, ...]]:
    """Value, count and buckets, oldest first."""
    found = [row for row in await rows(db, "formula_samples") if row[3] == metric]
    return [row[5:] for row in found]


def short(*counts: int) -> list[int]:
    return [*counts, *[0] * (17 - len(counts))]


async def test_what_came_since_the_last_sample_is_written(runtime: Runtime, db: Connection) -> None:
    one = Process(runtime)
    one.made.value, one.open = 3, 2.0
    one.times.observe(("/x", "2xx"), 0.0004)
    await one.sample()
    await one.sample()
    one.made.value, one.open = 5, 0.0
    one.times.observe(("/x", "2xx"), 0.0008)
    one.times.observe(("/x", "2xx"), 0.0009)
    await one.sample()
    assert await written(db, MADE) == [(3.0, None, None), (2.0, None, None)]
    assert await written(db, "formula_open") == [(2.0, None, None)] * 2 + [(0.0, None, None)]
    assert await written(db, "formula_http_seconds") == [
        (0.0004, 1, short(1)),
        (pytest.approx(0.0017), 2, short(0, 2)),
    ]
    assert len(await written(db, "formula_up")) == 3


async def test_a_process_that_begins_anew_counts_nothing_twice(
    runtime: Runtime, db: Connection
) -> None:
    first = Process(runtime)
    first.made.value = 7
    await first.sample()
    second = Process(runtime)
    second.samples, second.made.value = 1, 2
    await second.sample()
    assert await written(db, MADE) == [(7.0, None, None), (2.0, None, None)]


async def test_a_server_that_was_there_before_counts_from_the_first_look_on(
    runtime: Runtime, db: Connection
) -> None:
    values = {(): 1_000.0}
    sampler = Sampler(
        runtime, "cluster", Metrics([Totals(MADE, "of a server", values)]), begun=False
    )
    for number, value in enumerate((1_000.0, 1_004.0, 6.0)):  # it began anew before the last
        values[()] = value
        await sampler.sample(NOW + timedelta(seconds=number))
    assert await written(db, MADE) == [(4.0, None, None), (6.0, None, None)]


async def test_a_batch_whose_answer_was_lost_is_written_once(
    runtime: Runtime, db: Connection
) -> None:
    one = Process(runtime)
    one.made.value = 3
    await one.sample()
    again = Process(runtime)
    again.made.value = 3
    await again.sample()
    assert await written(db, MADE) == [(3.0, None, None)]


async def test_samples_wait_for_a_postgres_that_is_away(
    runtime: Runtime, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Process(runtime)
    async with away(db):
        for value in (1, 3, 6):
            one.made.value = value
            await one.sample()
    one.made.value = 10
    await one.sample()
    assert [row[0] for row in await written(db, MADE)] == [1.0, 2.0, 3.0, 4.0]


async def test_when_too_many_wait_no_count_is_lost(runtime: Runtime, db: Connection) -> None:
    slow = msgspec.structs.replace(runtime.settings, metrics_every_s=60)
    one = Process(msgspec.structs.replace(runtime, settings=slow))
    most = BACKLOG_S // 60
    async with away(db):
        for _ in range(most + 3):
            one.made.value += 1
            await one.sample()
    one.made.value += 1
    await one.sample()
    await one.sample()
    assert [row[0] for row in await written(db, MADE)] == [*[1.0] * most, 4.0]


class away:  # noqa: N801, reads as a word
    """The table has another name: every write fails, as without Postgres, but at once."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    async def __aenter__(self) -> None:
        await self._db.execute("ALTER TABLE formula_samples RENAME TO formula_away")

    async def __aexit__(self, *_: object) -> None:
        await self._db.execute("ALTER TABLE formula_away RENAME TO formula_samples")


async def test_a_process_samples_itself(runtime: Runtime, db: Connection) -> None:
    often = msgspec.structs.replace(runtime.settings, metrics_every_s=1)
    runtime = msgspec.structs.replace(runtime, settings=often)
    metrics = Metrics()
    async with sampling(runtime, "worker", metrics):
        await until_rows(db, "formula_process_cpu_share", 2)
        time.sleep(0.7)  # noqa: ASYNC251, the loop is blocked: that is what must show
        await until_rows(db, "formula_process_cpu_share", 4)
        told = await shared(runtime, [str(runtime.node)])
    measured = {row[3] for row in await rows(db, "formula_samples")}
    assert measured > {
        "formula_process_memory_share",
        "formula_host_cpu_share",
        "formula_disk_used_share",
        "formula_pool_connections",
        "formula_loop_lag_seconds",
        "formula_up",
    }
    worst, typical = await windows(
        db,
        [
            Query("formula_loop_lag_max_seconds", "worker", how="max"),
            Query("formula_loop_lag_seconds", "worker", how="p50"),
        ],
        runtime.now(),
    )
    assert worst is not None
    assert 0.4 < worst < 2.0
    assert typical is not None
    assert typical < 0.1
    for name in ("formula_up", "formula_loop_lag_max_seconds"):
        [found] = [one for one in told if one.name == name]
        assert found.points[0].labels == (("role", "worker"), ("node", str(runtime.node)))


async def test_on_leaving_the_last_of_it_is_written(runtime: Runtime, db: Connection) -> None:
    made = Counter(MADE, "things")
    listed: list[Metric] = [made]
    async with sampling(runtime, "api", Metrics(listed)):
        made.value = 9
    assert await written(db, MADE) == [(9.0, None, None)]


async def until_rows(db: Connection, metric: str, count: int) -> None:
    async with asyncio.timeout(20):
        while len(await written(db, metric)) < count:  # noqa: ASYNC110, no event tells of a row
            await asyncio.sleep(0.05)


async def test_a_day_without_a_partition_gets_one(runtime: Runtime, db: Connection) -> None:
    one = Process(runtime)
    with pytest.raises(psycopg.errors.CheckViolation):
        await db.execute(
            "INSERT INTO formula_samples (at, node, role, metric, labels, value)"
            " VALUES (%s, gen_random_uuid(), '', '', '', 0)",
            (NOW,),
        )
    await one.sample()
    assert len(await written(db, "formula_up")) == 1
