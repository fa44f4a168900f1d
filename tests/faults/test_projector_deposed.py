"""A leader is stopped, loses its lease, and goes on later as if it led: its fence refuses it."""

import asyncio
import signal
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from infra.db import LEADERS
from infra.runtime import Runtime
from tests.faults.children import times
from tests.faults.diary import lines
from tests.faults.projecting import (
    GROUPS,
    LIMIT_S,
    POLL_S,
    assert_projected,
    moved,
    projector,
    standing_by,
    worked,
)
from tests.faults.results import Counts
from tests.infra.until import until, wait_until

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.timeout(600)]

DEPOSED = times(30)

# A lease ends with its session, and with the session a leader's writes: only a session that lives
# on without its lease comes as far as the fence. A pooler does that; here a trigger does.
LOSE_LEASES = """
CREATE TABLE deposed (pid integer);
CREATE FUNCTION lose_leases() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM deposed WHERE pid = pg_backend_pid()) THEN
        PERFORM pg_advisory_unlock_all();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lose_leases BEFORE UPDATE ON formula_checkpoints
FOR EACH ROW EXECUTE FUNCTION lose_leases();
"""
LEASES = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
IDLE = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s) AND state = 'idle'"


class Line(msgspec.Struct, frozen=True):
    """Of a projector's log."""

    group: str = ""
    error: str = ""


async def test_a_deposed_leader_that_goes_on_is_refused_by_its_fence(
    runtime: Runtime, tmp_path: Path, counts: Counts
) -> None:
    settings = runtime.settings
    ones, others = tmp_path / "one.log", tmp_path / "other.log"
    await execute(runtime, LOSE_LEASES)
    async with projector(settings, ones) as one:
        async with worked(runtime):
            await moved(settings)
            async with projector(settings, others) as other:
                leader, standby = (one, ones), (other, others)
                for _ in range(DEPOSED):
                    await depose(runtime, *leader, standby[0])
                    leader, standby = standby, leader
        await assert_projected(runtime)
    counts.add(DEPOSED)


async def depose(runtime: Runtime, leader: Process, log: Path, standby: Process) -> None:
    await standing_by(runtime.settings)
    before = refusals(log)
    with stopped(standby):  # it takes over from one that no longer runs
        sessions = await lose_leases(runtime)
        await stop_between_transactions(runtime, leader, sessions)
    await moved(runtime.settings)
    leader.send_signal(signal.SIGCONT)
    await until(lambda: refusals(log) >= before + Counter(GROUPS), LIMIT_S)


async def lose_leases(runtime: Runtime) -> list[int]:
    """The sessions that led, once none of them has its lease any more."""
    sessions = await pids(runtime)
    await execute(runtime, "INSERT INTO deposed SELECT unnest(%s::int[])", sessions)
    async with asyncio.timeout(LIMIT_S):
        while True:
            if not await pids(runtime):
                return sessions
            await asyncio.sleep(POLL_S)


async def pids(runtime: Runtime) -> list[int]:
    return [pid for (pid,) in await execute(runtime, LEASES, LEADERS)]


async def stop_between_transactions(
    runtime: Runtime, process: Process, sessions: Sequence[int]
) -> None:
    """Within one it would keep its checkpoint's row, and nobody could move on."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            stop(process)
            if await execute(runtime, IDLE, sessions) == [(len(sessions),)]:
                return
            process.send_signal(signal.SIGCONT)
            await asyncio.sleep(POLL_S)


@contextmanager
def stopped(process: Process) -> Generator[None]:
    stop(process)
    yield
    process.send_signal(signal.SIGCONT)


def stop(process: Process) -> None:
    """Return once it is."""
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)


def refusals(log: Path) -> Counter[str]:
    """How often each group stepped down because its checkpoint had moved."""
    written = [msgspec.json.decode(line, type=Line) for line in lines(log)]
    return Counter(line.group for line in written if "is no longer at" in line.error)


async def execute(runtime: Runtime, statement: str, *values: object) -> list[tuple[int, ...]]:
    async with runtime.db.connection() as connection:
        cursor = await connection.execute(statement.encode(), values or None)
        return await cursor.fetchall() if cursor.description else []
