"""What is imported is what was exported, and everything goes on from there."""

import asyncio
import zlib
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from infra.eventstore import restore
from infra.eventstore.restore import import_log
from infra.eventstore.types import NEW, Appended, To
from infra.eventstore.verify import verify
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from tests.infra.until import wait_until
from tests.integration.transfer.logs import (
    MANY,
    NAMES,
    NEXT_POSITION,
    SALT,
    STOCK,
    act,
    ask,
    execute,
    exported,
    imported,
    live,
    logged,
    meta,
    names,
)


@pytest.mark.parametrize("name", NAMES)
async def test_what_was_exported_is_imported(
    name: str, runtime: Runtime, target: Settings, tmp_path: Path
) -> None:
    stream, source = await live(runtime), runtime.settings
    execute(source.database_url, STOCK, uuid4(), b'{"tag":"motion.cursor.v1","room":"r","at":1}')
    written = exported(source, tmp_path / name)
    read = imported(target, tmp_path / name)
    assert logged(target.database_url) == logged(source.database_url)
    assert (written.totals, written.resumed) == (read.totals, read.resumed) == (read.totals, 0)
    assert (read.totals.events, read.totals.motion, read.totals.first) == (6, 2, 1)
    async with open_runtime(target) as there:
        assert await there.store.read(0, 100) == await runtime.store.read(0, 100)
        assert await there.store.read_stream(stream) == await runtime.store.read_stream(stream)
        command = (await there.store.read_stream(stream))[0].meta.command_id
        assert command is not None
        assert await there.store.first(command) == await runtime.store.first(command)
    report = await verify(target.database_url, 0, lambda _done, _of: None)
    assert (list(report.findings), report.events) == ([], read.totals.events)
    consumed = ask(
        target.database_url, "SELECT position FROM formula_checkpoints WHERE name = 'jobs'"
    )
    assert consumed == read.totals.last, "no mail of before goes out again"


async def test_both_formats_have_the_same_hash(runtime: Runtime, tmp_path: Path) -> None:
    await live(runtime)
    one = exported(runtime.settings, tmp_path / "log.ndjson")
    other = exported(runtime.settings, tmp_path / "log.parquet")
    assert one.totals == other.totals
    assert names(tmp_path) == ["log.ndjson", "log.parquet"]


async def test_compressed_states_are_exported_readable_and_compressed_again(
    settings: Settings, target: Settings, tmp_path: Path
) -> None:
    small, other = (
        msgspec.structs.replace(one, event_compress_above=1_000) for one in (settings, target)
    )
    async with open_runtime(small) as here, open_runtime(other) as there:
        await live(here)
        exported(small, tmp_path / "log.ndjson")
        assert b"c" * 9_000 in (tmp_path / "log.ndjson").read_bytes()
        imported(other, tmp_path / "log.ndjson")
        assert logged(other.database_url) == logged(small.database_url)
        assert ask(other.database_url, "SELECT max(length(state)) FROM formula_events") < 1_000
        assert await there.store.read(0, 100) == await here.store.read(0, 100)


async def test_compressed_or_not_a_log_has_one_hash(
    settings: Settings, target: Settings, tmp_path: Path
) -> None:
    async with open_runtime(settings) as here:
        await live(here)
    written = exported(settings, tmp_path / "log.ndjson")
    small = msgspec.structs.replace(target, event_compress_above=100)
    imported(small, tmp_path / "log.ndjson")
    assert logged(small.database_url) != logged(settings.database_url)
    again = exported(small, tmp_path / "again.parquet")
    assert again.totals == written.totals


def test_bytes_that_only_begin_like_a_compressed_state_are_kept(
    settings: Settings, target: Settings, tmp_path: Path
) -> None:
    states = [b"x", b"\x78\x9cno zlib", zlib.compress(b'{"a":1}')[:-1]]
    for state in states:
        execute(settings.database_url, STOCK, uuid4(), state)
    exported(settings, tmp_path / "log.ndjson")
    imported(target, tmp_path / "log.ndjson")
    assert [row[4] for row in logged(target.database_url)[0]] == states


async def test_appends_go_on_behind_an_import(
    runtime: Runtime, target: Settings, tmp_path: Path
) -> None:
    stream = await live(runtime)
    written = exported(runtime.settings, tmp_path / "log.ndjson")
    imported(target, tmp_path / "log.ndjson")
    async with open_runtime(target) as there:
        appended = await there.store.append(meta(), To(stream, 3, (act("e"),)))
    assert appended.positions == (written.totals.last + 1,)
    assert appended.versions == (4,)


async def test_what_is_appended_after_an_import_is_not_older(
    settings: Settings, target: Settings, tmp_path: Path
) -> None:
    execute(settings.database_url, AHEAD_OF_TIME)
    exported(settings, tmp_path / "log.ndjson")
    imported(target, tmp_path / "log.ndjson")
    async with open_runtime(target) as there:
        appended = await there.store.append(meta(), To(uuid4(), NEW, (act("e"),)))
    assert appended.at == datetime(2099, 1, 1, tzinfo=UTC)


AHEAD_OF_TIME = """
INSERT INTO formula_events (originator_id, originator_version, topic, state, recorded_at)
VALUES (gen_random_uuid(), 1, 'motion.cursor.v1', '{}', '2099-01-01T00:00Z')
"""


async def test_appends_wait_until_an_import_is_done(
    full: Settings, target: Settings, tmp_path: Path
) -> None:
    exported(full, tmp_path / "log.ndjson")
    loop, stream = asyncio.get_running_loop(), uuid4()
    async with open_runtime(target) as there:
        waiting: list[Future[Appended]] = []

        def append(step: str, _done: int, _of: int) -> None:
            if step == "storing" and not waiting:
                appending = there.store.append(meta(), To(stream, NEW, (act("late"),)))
                waiting.append(asyncio.run_coroutine_threadsafe(appending, loop))
                wait_until(lambda: ask(target.database_url, BLOCKED) == 1)

        path = tmp_path / "log.ndjson"
        await asyncio.to_thread(import_log, target.database_url, path, 0, append)
        appended = await asyncio.wrap_future(waiting[0])
    assert appended.positions == (MANY + 1,)


BLOCKED = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


async def test_who_follows_an_import_sees_every_event_in_order(
    full: Settings, target: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "CHUNK", 100)
    exported(full, tmp_path / "log.ndjson")
    async with open_runtime(target) as there:
        following = asyncio.create_task(follow(there, MANY))
        await asyncio.to_thread(imported, target, tmp_path / "log.ndjson")
        async with asyncio.timeout(20):
            seen = await following
    assert seen == list(range(1, MANY + 1))


async def follow(runtime: Runtime, count: int) -> list[int]:
    seen: list[int] = []
    async for batch in runtime.store.tail(0):
        seen += [recorded.position for recorded in batch]
        if len(seen) >= count:
            break
    return seen


def test_what_was_kept_of_a_former_log_is_void(
    full: Settings, target: Settings, tmp_path: Path
) -> None:
    exported(full, tmp_path / "log.ndjson")
    before = ask(target.database_url, SALT)
    execute(target.database_url, SNAPSHOT)
    imported(target, tmp_path / "log.ndjson")
    assert ask(target.database_url, SALT) != before
    assert ask(target.database_url, "SELECT count(*) FROM formula_snapshots") == 0


SNAPSHOT = "INSERT INTO formula_snapshots VALUES (gen_random_uuid(), 'code', 100, '{}')"


async def test_motion_far_apart_finds_its_partitions(
    runtime: Runtime, target: Settings, tmp_path: Path
) -> None:
    conninfo = runtime.settings.database_url
    for at in (20_000_000, 30_999_999):
        execute(conninfo, "SELECT setval('formula_events_notification_id_seq', %s)", at)
        execute(conninfo, "SELECT formula_motion_partitions(1)")
        await live(runtime)
    exported(runtime.settings, tmp_path / "log.parquet")
    imported(target, tmp_path / "log.parquet")
    assert logged(target.database_url) == logged(conninfo)
    async with open_runtime(target) as there:
        await live(there)
        assert len(await there.store.read(0, 100)) == 21


def test_an_import_that_was_done_is_done(full: Settings, target: Settings, tmp_path: Path) -> None:
    exported(full, tmp_path / "log.ndjson")
    imported(target, tmp_path / "log.ndjson")
    again = imported(target, tmp_path / "log.ndjson")
    assert again.resumed == again.totals.rows == MANY
    assert logged(target.database_url) == logged(full.database_url)


def test_an_empty_log_is_a_file_as_well(
    settings: Settings, target: Settings, tmp_path: Path
) -> None:
    for name in ("log.ndjson", "log.parquet"):
        assert exported(settings, tmp_path / name).totals.rows == 0
        assert imported(target, tmp_path / name).totals.rows == 0
    assert ask(target.database_url, NEXT_POSITION) == 1
