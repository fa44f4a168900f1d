"""Roll-ups say what the samples say, however often they are made; old partitions go."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import sql

from infra.db import Connection, connect
from infra.monitoring import partitions
from infra.monitoring.partitions import DAYS, HOURS, MINUTES, SAMPLES, Table, drop_old, make
from infra.monitoring.rolling import DAY, HOUR, LATE, LEVELS, MINUTE, floor, roll
from infra.monitoring.samples import Batch, Sample, write
from infra.settings import Settings
from tests.integration.monitoring.given import NOW, A, B, rows, sampled, seconds

Row = tuple[Any, ...]


async def filled(db: Connection, hours: int) -> list[tuple[datetime, Sample]]:
    """Two nodes that measure, now and then, for some hours up to now."""
    by_chance = random.Random(7)  # noqa: S311, of a test
    await make(db, NOW)
    written: list[tuple[datetime, Sample]] = []
    for node in (A, B):
        for ago_s in range(0, hours * 3_600, 97):
            at = NOW - timedelta(seconds=ago_s)
            counts = [by_chance.randrange(9) for _ in range(3)]
            some = [
                Sample("formula_process_cpu_share", "", by_chance.random()),
                Sample("formula_made_total", f"kind={by_chance.choice('xy')}", 3.0),
                seconds("route=/x", *counts, total=float(sum(counts))),
            ]
            await write(db, node, Batch(at, "api", some))
            written += [(at, one) for one in [*some, Sample("formula_up", "", 1.0)]]
    return written


def expected(written: list[tuple[datetime, Sample]], step: timedelta) -> dict[Row, Row]:
    grouped: defaultdict[Row, list[Sample]] = defaultdict(list)
    for at, one in written:
        grouped[floor(at, step), "api", one.metric, one.labels].append(one)
    return {key: summed(some) for key, some in grouped.items()}


def summed(some: list[Sample]) -> Row:
    values = [one.value for one in some]
    buckets = [one.buckets for one in some if one.buckets]
    count = sum(one.count or 0 for one in some) if buckets else None
    added = [sum(column) for column in zip(*buckets, strict=True)] or None
    return (len(some), pytest.approx(sum(values)), min(values), max(values), count, added)


def found(made: list[Row]) -> dict[Row, Row]:
    """But for `last`."""
    return {row[:4]: (*row[4:8], *row[9:]) for row in made}


async def test_they_say_what_the_samples_say(db: Connection) -> None:
    written = await filled(db, hours=5)
    for level in LEVELS:
        await roll(db, level, NOW + timedelta(seconds=1))
        made = found(await rows(db, level.into.name))
        assert made == expected(written, level.step), level.into.name


async def test_made_again_they_are_the_same(db: Connection) -> None:
    await filled(db, hours=2)
    after = NOW + timedelta(seconds=1)
    for level in LEVELS:
        await roll(db, level, after)
        once = await rows(db, level.into.name)
        assert await roll(db, level, after) > 0
        assert await rows(db, level.into.name) == once


async def test_the_newest_is_added_up_over_nodes(db: Connection) -> None:
    open_ = "formula_gateway_connections"
    for node, ago_s, value in ((A, 80, 1.0), (A, 70, 5.0), (B, 75, 7.0), (B, 10, 2.0)):
        await sampled(db, Sample(open_, "", value), node=node, ago_s=ago_s)
    for level in LEVELS:
        await roll(db, level, NOW)
    last = {
        table.name: [row[8] for row in await rows(db, table.name) if row[2] == open_]
        for table in (MINUTES, HOURS, DAYS)
    }
    assert last == {MINUTES.name: [12.0, 2.0], HOURS.name: [2.0], DAYS.name: [2.0]}


async def test_what_came_late_is_rolled_up_as_well(db: Connection) -> None:
    await sampled(db, Sample("formula_made_total", "", 2.0), ago_s=0)
    await roll(db, MINUTE, NOW + timedelta(seconds=1))
    late_s = LATE.total_seconds() - 60
    await sampled(db, Sample("formula_made_total", "", 5.0), ago_s=late_s, node=B)
    await roll(db, MINUTE, NOW + timedelta(seconds=1))
    made = [row[:6] for row in await rows(db, MINUTES.name) if row[2] == "formula_made_total"]
    assert [row[5] for row in made] == [5.0, 2.0]


async def test_a_leader_that_was_away_for_long_makes_up_for_it(db: Connection) -> None:
    await sampled(db, ago_s=36 * 3_600)
    await roll(db, MINUTE, NOW - timedelta(hours=35))
    await sampled(db, ago_s=30 * 3_600)
    await sampled(db, ago_s=0)
    await roll(db, MINUTE, NOW + timedelta(seconds=1))
    assert len(await rows(db, MINUTES.name)) == 3


async def test_over_an_empty_history_nothing_is_made(db: Connection) -> None:
    assert [await roll(db, level, NOW) for level in (MINUTE, HOUR, DAY)] == [0, 0, 0]


async def test_partitions_past_their_time_are_dropped_and_no_others(db: Connection) -> None:
    await make(db, NOW)
    before = await names(db)
    assert await drop_old(db, NOW) == []
    later = NOW + timedelta(days=2)
    dropped = await drop_old(db, later)
    assert dropped == [f"{SAMPLES.name}_20260515", f"{SAMPLES.name}_20260516"]
    assert before - await names(db) == set(dropped)


@pytest.mark.parametrize("table", partitions.TABLES, ids=lambda table: table.name)
async def test_rows_are_kept_for_as_long_as_was_said(db: Connection, table: Table) -> None:
    """The last moment that is kept, and the first that is not."""
    await make(db, NOW)
    of_now = partitions.name_of(table, partitions.begins(NOW, table.width))
    ended = partitions.ends(partitions.begins(NOW, table.width), table.width)
    await drop_old(db, ended + table.kept - timedelta(seconds=1))
    assert of_now in await names(db)
    await drop_old(db, ended + table.kept)
    assert of_now not in await names(db)


async def test_partitions_made_twice_are_there_once(db: Connection) -> None:
    assert await make(db, NOW) > 0
    assert await make(db, NOW) == 0
    new_year = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert await make(db, new_year) > 0
    async with db.transaction():
        for table in partitions.TABLES:
            for at in (new_year, new_year + timedelta(seconds=2), new_year - SAMPLES.kept):
                await db.execute(room(table), {"at": at})


def room(table: Table) -> sql.Composed:
    columns, values = sql.SQL("sum, min, max, last, samples"), sql.SQL("0, 0, 0, 0, 0")
    if table is SAMPLES:
        columns, values = sql.SQL("node, value"), sql.SQL("gen_random_uuid(), 0")
    return sql.SQL(
        "INSERT INTO {} (at, role, metric, labels, {}) VALUES (%(at)s, '', '', '', {})"
    ).format(sql.Identifier(table.name), columns, values)


async def test_a_reader_in_the_way_holds_up_one_partition(
    db: Connection, settings: Settings
) -> None:
    await make(db, NOW)
    async with await connect(settings.database_url) as reader, reader.transaction():
        await reader.execute(f"SELECT FROM {SAMPLES.name}_20260515".encode())
        dropped = await drop_old(db, NOW + timedelta(days=2))
    assert dropped == [f"{SAMPLES.name}_20260516"]
    assert await drop_old(db, NOW + timedelta(days=2)) == [f"{SAMPLES.name}_20260515"]


async def names(db: Connection) -> set[str]:
    cursor = await db.execute(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE c.relkind = 'r'"
    )
    return {name for (name,) in await cursor.fetchall()}
