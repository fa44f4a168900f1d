"""What `formula store stats` says is so: exact where the log is short, near enough where not."""

import secrets
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from domain.motion import CursorMoved
from infra.db import Connection
from infra.eventstore import stats as module
from infra.eventstore.motion import WIDTH
from infra.eventstore.stats import Count, Stats, Stream, Tag, stats
from infra.eventstore.types import ANY, Motion, To
from infra.runtime import Runtime
from infra.settings import Settings
from tests.contract.test_store import ROOM, act, meta
from tests.integration.command import formula
from tests.workers.office import until

ANN, BOB = UUID(int=1), UUID(int=2)
ACT = "activity.recorded.v1"


@pytest.fixture
async def db(settings: Settings) -> AsyncGenerator[Connection]:
    connection = await psycopg.AsyncConnection[Any].connect(settings.database_url, autocommit=True)
    async with connection:
        yield connection


@pytest.fixture
async def log(runtime: Runtime) -> Runtime:
    """Positions 1 to 6 are durable, 7 is a motion fact."""
    for _ in range(4):
        await runtime.store.append(meta(), To(ANN, ANY, (act(),)))
    await runtime.store.append(meta(), To(BOB, ANY, (act(), act())))
    moved = CursorMoved(room=ROOM, at=msgspec.Raw(b'{"x":1}'))
    runtime.store.append_motion(Motion(moved, uuid4(), ANN, None))

    async def stored() -> bool:
        return await runtime.store.head() == 7

    await until(stored)
    return runtime


async def test_an_empty_log_has_stats(settings: Settings) -> None:
    found = await stats(settings.database_url)
    assert (found.head, found.last_append, found.events) == (0, None, Count(0, exact=True))
    assert [rate.positions for rate in found.rates] == [0, 0]
    assert {one.rows for one in found.partitions} == {0}


async def test_a_short_log_is_counted(log: Runtime) -> None:
    found = await stats(log.settings.database_url)
    assert (found.head, found.events) == (7, Count(6, exact=True))
    assert found.tags == [Tag(ACT, 6)]
    assert found.longest == [Stream(ANN, 4), Stream(BOB, 2)]
    assert found.last_append == (await log.store.read(6, 1))[0].at


async def test_motion_is_counted_by_partition(log: Runtime) -> None:
    found = await stats(log.settings.database_url)
    first, *others = found.partitions
    assert found.motion == Count(1, exact=True)
    assert (first.start, first.end, first.rows) == (0, WIDTH, 1)
    assert first.newest == found.last_append
    assert {(one.rows, one.newest) for one in others} == {(0, None)}
    assert sum(one.bytes for one in found.partitions) == sizes(found)["formula_motion_events"]


def sizes(found: Stats) -> dict[str, int]:
    return {one.name: one.bytes for one in found.sizes}


async def test_tables_and_indexes_have_sizes(log: Runtime, db: Connection) -> None:
    await db.execute("CREATE TABLE IF NOT EXISTS formula_snapshots (originator_id uuid)")
    found = await stats(log.settings.database_url)
    tables = {"formula_events", "formula_motion_events", "formula_snapshots", "database"}
    indexes = {"pkey", "notification_id_idx", "command_id_idx"}
    assert tables | {f"formula_events_{name}" for name in indexes} <= sizes(found).keys()
    assert sizes(found)["database"] > sizes(found)["formula_events"] > 0
    assert found.wal_bytes


async def test_rates_go_by_the_time_of_the_events(log: Runtime, db: Connection) -> None:
    """Three are older than an hour, two than a minute; the last two are of now."""
    for table, position in (
        ("formula_events", "notification_id"),
        ("formula_motion_events", "position"),
    ):
        await db.execute(
            sql.SQL(
                "UPDATE {} SET recorded_at = recorded_at - CASE WHEN {column} <= 3"
                " THEN interval '2 hours' WHEN {column} <= 5 THEN interval '2 minutes'"
                " ELSE interval '0' END"
            ).format(sql.Identifier(table), column=sql.Identifier(position))
        )
    minute, hour = (await stats(log.settings.database_url)).rates
    assert (minute.window_s, minute.positions, minute.per_s) == (60, 2, 2 / 60)
    assert (hour.window_s, hour.positions, hour.per_s) == (3_600, 4, 4 / 3_600)


async def test_consumers_have_their_distance_to_the_head(log: Runtime, db: Connection) -> None:
    await db.execute("DELETE FROM formula_checkpoints")
    await db.execute("INSERT INTO formula_checkpoints (name, position) VALUES ('b', 7), ('a', 2)")
    found = await stats(log.settings.database_url)
    assert [(one.name, one.position, one.behind) for one in found.consumers] == [
        ("a", 2, 5),
        ("b", 7, 0),
    ]


async def test_a_long_log_is_sampled(
    log: Runtime, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An eighth of its pages here, so five standard deviations are two thirds."""
    await db.execute(
        "INSERT INTO formula_events (originator_id, originator_version, topic, state)"
        " SELECT CASE WHEN mod(n, 4) = 0 THEN %(ann)s ELSE gen_random_uuid() END,"
        "     CASE WHEN mod(n, 4) = 0 THEN 4 + n / 4 ELSE 1 END, %(topic)s, repeat('x', 80)::bytea"
        " FROM generate_series(1, 20000) n",
        {"ann": ANN, "topic": ACT},
    )
    pages = await (await db.execute(module.PAGES, {"table": "formula_events"})).fetchone()
    assert pages is not None
    monkeypatch.setattr(module, "SAMPLED", pages[0] // 8)
    found = await stats(log.settings.database_url)
    assert not found.events.exact
    assert 7_000 < found.events.rows < 33_000
    assert found.tags == [Tag(ACT, found.events.rows)]
    assert found.longest[0] == Stream(ANN, 5_004)


async def test_a_role_without_rights_gets_the_rest(log: Runtime, db: Connection) -> None:
    role, password = f"r_{secrets.token_hex(6)}", secrets.token_hex(8)
    name = sql.Identifier(role)
    await db.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, password))
    await db.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(name))
    try:
        conninfo = make_conninfo(log.settings.database_url, user=role, password=password)
        found = await stats(conninfo)
        assert (found.wal_bytes, found.events.rows) == (None, 6)
    finally:
        await db.execute(sql.SQL("DROP OWNED BY {}").format(name))
        await db.execute(sql.SQL("DROP ROLE {}").format(name))


async def test_the_command_prints_them(log: Runtime) -> None:
    code, text, err = await formula(log, "store", "stats", "--json")
    assert (code, err) == (0, "")
    assert msgspec.json.decode(text, type=Stats).events == Count(6, exact=True)
    code, text, err = await formula(log, "store", "stats")
    assert (code, err) == (0, "")
    for said in ("head            7", f"{ACT}  6", f"{ANN}  4", "0 to 999,999"):
        assert said in text
