"""A log that is damaged row by row: verify names the place, and nothing else."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest

from domain.job_args import VerifyLog
from domain.motion import CursorMoved
from infra.db import Connection
from infra.eventstore import checker, verify
from infra.eventstore.checker import Report
from infra.eventstore.codec import encode
from infra.eventstore.types import ANY, Motion, To
from infra.mail import Mailer
from infra.runtime import Runtime
from tests.contract.test_store import ROOM, act, meta
from tests.integration.command import formula
from tests.workers.office import until
from workers import verify_log
from workers.model import Context

ANN, BOB, CID, DAN = (UUID(int=n) for n in range(1, 5))  # streams

# positions of the log: what is there, by stream and version
#   1 2 3    ann 1 2 3, a command each
#   4 5 6    bob 1, bob 2, cid 1: one command
#   7        motion
#   8 9      dan 1 2, by a stock writer
#   10       ann 4
#   11       motion
#   12       ann 5


async def move(runtime: Runtime) -> None:
    head = await runtime.store.head()
    moved = CursorMoved(room=ROOM, at=msgspec.Raw(b'{"x":1}'))
    runtime.store.append_motion(Motion(moved, uuid4(), ANN, None))

    async def stored() -> bool:
        return await runtime.store.head() > head

    await until(stored)


async def append(runtime: Runtime, *parts: To) -> None:
    await runtime.store.append(meta(), *parts)


@pytest.fixture
async def db(runtime: Runtime) -> AsyncGenerator[Connection]:
    connection = await psycopg.AsyncConnection[Any].connect(
        runtime.settings.database_url, autocommit=True
    )
    async with connection:
        yield connection


@pytest.fixture
async def log(runtime: Runtime, db: Connection) -> Runtime:
    for _ in range(3):
        await append(runtime, To(ANN, ANY, (act(),)))
    await append(runtime, To(BOB, ANY, (act(), act())), To(CID, ANY, (act(),)))
    await move(runtime)
    for version in (1, 2):
        await db.execute(
            "INSERT INTO formula_events (originator_id, originator_version, topic, state)"
            " VALUES (%s, %s, %s, %s)",
            (DAN, version, *encode(act())),
        )
    await append(runtime, To(ANN, ANY, (act(),)))
    await move(runtime)
    await append(runtime, To(ANN, ANY, (act(),)))
    assert await runtime.store.head() == 12
    return runtime


async def verified(runtime: Runtime, after: int = 0) -> Report:
    return await verify.verify(runtime.settings.database_url, after, lambda _at, _head: None)


def places(report: Report) -> set[tuple[int | None, str]]:
    return {(one.position, one.rule) for one in report.findings}


@pytest.mark.parametrize("batch", [1, 2, 5, 5_000])
async def test_a_whole_log_passes(
    log: Runtime, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "BATCH", batch)
    monkeypatch.setattr(checker, "MOST_STREAMS", 1)
    report = await verified(log)
    assert report == Report(ok=True, after=0, head=12, events=10, motion=2, counts={}, findings=[])


async def test_a_job_reads_the_log_and_tells_what_it_found(log: Runtime, db: Connection) -> None:
    job = Context(log, Mailer(log.settings, log.now), uuid4(), 0, None)
    report = await verify_log.run(job, VerifyLog())
    assert (report.ok, report.head, report.events) == (True, 12, 10)
    await db.execute("DELETE FROM formula_events WHERE notification_id = 2")
    report = await verify_log.run(job, VerifyLog())
    assert (report.ok, places(report)) == (False, {(3, "version")})


async def test_an_empty_log_passes(runtime: Runtime) -> None:
    assert (await verified(runtime)).ok


DAMAGE: dict[str, tuple[str, set[tuple[int | None, str]]]] = {
    "an event is missing": (
        "DELETE FROM formula_events WHERE notification_id = 2",
        {(3, "version")},
    ),
    "a stream's first event is missing": (
        "DELETE FROM formula_events WHERE notification_id = 1",
        {(2, "version")},
    ),
    "a stock event is missing": (
        "DELETE FROM formula_events WHERE notification_id = 8",
        {(9, "version")},
    ),
    "versions are out of order": (
        (
            "UPDATE formula_events SET originator_version = CASE notification_id"
            " WHEN 2 THEN 30 ELSE 2 END WHERE notification_id IN (2, 3);"
            "UPDATE formula_events SET originator_version = 3 WHERE notification_id = 2"
        ),
        {(2, "version"), (3, "version"), (10, "version")},
    ),
    "an event moved beyond the end": (
        "UPDATE formula_events SET notification_id = 1000 WHERE notification_id = 3",
        {(10, "version"), (1000, "version"), (1000, "recorded_at"), (1000, "sequence")},
    ),
    "a command's last event is missing": (
        "DELETE FROM formula_events WHERE notification_id = 6",
        {(4, "command")},
    ),
    "a command's middle event is missing": (
        "DELETE FROM formula_events WHERE notification_id = 5",
        {(4, "command")},
    ),
    "a command's first event is missing": (
        "DELETE FROM formula_events WHERE notification_id = 4",
        {(5, "version"), (5, "command"), (6, "command")},
    ),
    "a command says that it is smaller": (
        "UPDATE formula_events SET command_size = 1 WHERE notification_id = 4",
        {(5, "command"), (6, "command")},
    ),
    "a command says that it is larger": (
        "UPDATE formula_events SET command_size = 4 WHERE notification_id = 4",
        {(4, "command")},
    ),
    "a command does not say its size": (
        "UPDATE formula_events SET command_size = NULL WHERE notification_id = 1",
        {(1, "command")},
    ),
    "a command's id is another": (
        "UPDATE formula_events SET command_id = gen_random_uuid() WHERE notification_id = 4",
        {(4, "command")},
    ),
    "a command's id is gone": (
        "UPDATE formula_events SET command_id = NULL WHERE notification_id = 1",
        {(1, "command")},
    ),
    "an event came into a command": (
        "UPDATE formula_events SET metadata = NULL WHERE notification_id = 5",
        {(4, "command")},
    ),
    "a topic is unknown": (
        "UPDATE formula_events SET topic = 'gone.away.v9' WHERE notification_id = 3",
        {(3, "topic")},
    ),
    "a topic is missing": (
        "UPDATE formula_events SET topic = NULL WHERE notification_id = 9",
        {(9, "topic")},
    ),
    "a topic is another event's": (
        "UPDATE formula_events SET topic = 'task.created.v1' WHERE notification_id = 3",
        {(3, "state")},
    ),
    "a state is cut off": (
        "UPDATE formula_events SET state = substr(state, 1, 20) WHERE notification_id = 3",
        {(3, "state")},
    ),
    "a compressed state is broken": (
        r"UPDATE formula_events SET state = '\x789c0000' WHERE notification_id = 3",
        {(3, "state")},
    ),
    "a state is missing": (
        "UPDATE formula_events SET state = NULL WHERE notification_id = 12",
        {(12, "state")},
    ),
    "metadata are broken": (
        "UPDATE formula_events SET metadata = 'nonsense' WHERE notification_id IN (1, 5)",
        {(1, "metadata"), (5, "metadata")},
    ),
    "an event is too old": (
        (
            "UPDATE formula_events SET recorded_at = recorded_at - interval '1 hour'"
            " WHERE notification_id = 10"
        ),
        {(10, "recorded_at")},
    ),
    "a motion fact is from the future": (
        (
            "UPDATE formula_motion_events SET recorded_at = recorded_at + interval '1 hour'"
            " WHERE position = 7"
        ),
        {(8, "recorded_at")},
    ),
    "a motion fact is broken": (
        "UPDATE formula_motion_events SET state = '{' WHERE position = 11",
        {(11, "state")},
    ),
    "a motion fact is unknown": (
        "UPDATE formula_motion_events SET tag = 'motion.jumped.v1' WHERE position = 7",
        {(7, "topic")},
    ),
    "a position is there twice": (
        "UPDATE formula_motion_events SET position = 6 WHERE position = 7",
        {(6, "position")},
    ),
    "a partition has another's name": (
        "ALTER TABLE formula_motion_events_00000000 RENAME TO formula_motion_events_00000099",
        {(None, "partition"), (7, "partition"), (11, "partition")},
    ),
    "the next motion fact has no partition": (
        "ALTER TABLE formula_motion_events DETACH PARTITION formula_motion_events_00000000",
        {(None, "partition")},
    ),
    "the sequence is behind": (
        "SELECT setval('formula_events_notification_id_seq', 12, false)",
        {(12, "sequence")},
    ),
    "an index is missing": (
        "DROP INDEX formula_events_command_id_idx",
        {(None, "index")},
    ),
    "a read model is ahead of the log": (
        "INSERT INTO formula_checkpoints (name, position) VALUES ('queries', 13)",
        {(None, "consumer")},
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_damage_is_named_by_its_position(log: Runtime, db: Connection, damage: str) -> None:
    statements, expected = DAMAGE[damage]
    for statement in statements.split(";"):
        await db.execute(statement.encode())
    report = await verified(log)
    assert places(report) == expected
    assert not report.ok
    assert sum(report.counts.values()) >= len(expected)


async def test_a_part_of_the_log_can_be_verified(log: Runtime, db: Connection) -> None:
    """Also one that begins within a command; what lies before it is only looked up."""
    await db.execute("UPDATE formula_events SET state = 'x' WHERE notification_id = 2")
    for after in range(2, 13):
        assert (await verified(log, after)).ok, after
    await db.execute("DELETE FROM formula_events WHERE notification_id = 3")
    assert places(await verified(log, 8)) == {(10, "version")}
    await db.execute("DELETE FROM formula_events WHERE notification_id = 6")
    assert places(await verified(log, 4)) == {(4, "command"), (10, "version")}


async def test_what_is_wrong_many_times_is_counted_and_told_at_first(
    log: Runtime, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checker, "MOST_TOLD", 3)
    await db.execute("UPDATE formula_events SET topic = 'gone.away.v9'")
    report = await verified(log)
    assert report.counts == {"topic": 10}
    assert [one.position for one in report.findings] == [1, 2, 3]


async def test_a_log_that_grows_passes(log: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "BATCH", 7)

    async def grow() -> None:
        while True:
            await append(log, To(ANN, ANY, (act(), act())), To(uuid4(), ANY, (act(),)))
            await move(log)

    growing = asyncio.create_task(grow())
    for _ in range(5):
        report = await verified(log)
        assert report.findings == []
    assert not growing.done()
    growing.cancel()
    await asyncio.gather(growing, return_exceptions=True)


async def test_the_command_says_what_is_wrong_and_fails(log: Runtime, db: Connection) -> None:
    code, out, err = await formula(log, "store", "verify")
    assert (code, err) == (0, "")
    assert "10 events and 2 motion facts" in out
    await db.execute("DELETE FROM formula_events WHERE notification_id = 2")
    code, out, err = await formula(log, "store", "verify", "--json")
    report = msgspec.json.decode(out, type=Report)
    assert (code, places(report)) == (1, {(3, "version")})
    code, out, err = await formula(log, "store", "verify", "--after", "1")
    assert code == 1
    assert f"3 of {ANN} has no 2 before it" in err
