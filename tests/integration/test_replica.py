"""Queries go to a streaming replica that shows what is asked for, and to the primary else."""

import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from api.commands.checks import of_replica
from domain.audit import AuditFilter
from domain.user import USER, RegisterUser, Role
from infra.analytics import run as run_query
from infra.analytics import server
from infra.db import Connection
from infra.embedded import prepare_postgres
from infra.folder import hold_folder
from infra.runtime import SYSTEM, Runtime, open_runtime
from infra.settings import Settings
from infra.supervisor import Supervisor
from projections.analytics_access import EVERYTHING
from projections.analytics_views import refresh_views
from projections.audit_export import Export, Wish
from projections.audit_files import AuditFormat
from projections.read import reading, wait_for
from projections.users import list_users
from tests.conftest import projecting
from tests.integration.test_backup import cluster, hand_over, run
from tests.workers.office import until

SCANS = """
SELECT coalesce(sum(seq_scan + idx_scan), 0) FROM pg_stat_user_tables WHERE relname = 'audit'
"""


@pytest.fixture
def folder() -> Generator[Path]:
    """For clusters of the test's own, where their user can reach them."""
    parent = Path(tempfile.mkdtemp(prefix="formula-replica-"))
    parent.chmod(0o755)
    yield parent
    shutil.rmtree(parent)


class Pair(msgspec.Struct, frozen=True):
    """A projected log, and its replica, which can be made to stop."""

    runtime: Runtime
    standby: Supervisor

    async def register(self, name: str) -> int:
        command = RegisterUser(
            email=f"{name}@x.org", name=name, role=Role.MEMBER, at=self.runtime.now()
        )
        outcome = await self.runtime.execute(SYSTEM, USER, uuid4(), command)
        assert outcome.position is not None
        return outcome.position

    async def seen(self, position: int | None = None) -> tuple[bool, list[str]]:
        """Whether the replica answered, and what."""
        async with reading(self.runtime, min_position=position, replica=True) as db:
            return await recovers(db), [row.name for row in await list_users(db)]


async def recovers(db: Connection) -> bool:
    row = await (await db.execute("SELECT pg_is_in_recovery()")).fetchone()
    return bool(row and row[0])


@pytest.fixture
async def pair(settings: Settings, folder: Path) -> AsyncIterator[Pair]:
    async with (
        cluster(folder / "primary", settings) as primary,
        standby(folder, primary.settings.database_url) as (url, supervisor),
    ):
        own = msgspec.structs.replace(primary.settings, database_replica_url=url)
        async with open_runtime(own) as runtime, projecting(runtime):
            yield Pair(runtime, supervisor)


@asynccontextmanager
async def standby(folder: Path, primary: str) -> AsyncGenerator[tuple[str, Supervisor]]:
    spare = folder / "standby"
    spare.mkdir()
    data = spare / "postgres"
    backup = ("--checkpoint=fast", "--write-recovery-conf", f"--pgdata={data}")
    await run("pg_basebackup", *backup, f"--dbname={primary}")
    shutil.copy(folder / "primary" / "postgres.password", spare)
    hand_over(data)
    with hold_folder(spare) as held:
        server = prepare_postgres(held, durable=False)
        async with Supervisor() as supervisor:
            await supervisor.start(server.spec)
            yield server.url, supervisor


async def followed(pair: Pair, position: int) -> None:
    """Returns once the replica answers who wants this position."""

    async def answers() -> bool:
        return (await pair.seen(position))[0]

    await until(answers)


async def test_the_replica_answers_what_it_has_seen_and_the_primary_all_else(pair: Pair) -> None:
    position = await pair.register("Ann")
    assert (await pair.seen(position))[1] == ["Ann"]  # whichever answers
    await followed(pair, position)
    assert await pair.seen(position) == (True, ["Ann"])
    assert await pair.seen() == (True, ["Ann"])
    async with held_back(pair):
        position = await pair.register("Bob")
        assert await pair.seen(position) == (False, ["Ann", "Bob"])
    await followed(pair, position)
    assert await pair.seen(position) == (True, ["Ann", "Bob"])
    await pair.standby.stop()
    position = await pair.register("Cyd")
    assert await pair.seen(position) == (False, ["Ann", "Bob", "Cyd"])
    assert await pair.seen() == (False, ["Ann", "Bob", "Cyd"])


@asynccontextmanager
async def held_back(pair: Pair) -> AsyncGenerator[None]:
    """The replica replays nothing meanwhile: to ask for that is not enough, it may be busy."""
    replica = pair.runtime.settings.database_replica_url
    async with await psycopg.AsyncConnection[Any].connect(replica, autocommit=True) as db:

        async def paused() -> bool:
            cursor = await db.execute("SELECT pg_get_wal_replay_pause_state()")
            return await cursor.fetchone() == ("paused",)

        await db.execute("SELECT pg_wal_replay_pause()")
        await until(paused)
        yield
        await db.execute("SELECT pg_wal_replay_resume()")


async def test_a_server_that_is_no_replica_is_not_asked(projected: Runtime) -> None:
    """Of a database that was promoted, say: nothing reaches it any more."""
    url = make_conninfo(projected.settings.database_url)
    own = msgspec.structs.replace(projected.settings, database_replica_url=url)
    async with open_runtime(own) as runtime:
        assert runtime.replica is not None
        async with runtime.replica.at("queries", 0) as connection:
            assert connection is None


async def test_analysts_and_exports_read_the_replica(pair: Pair) -> None:
    position = await pair.register("Ann")
    await wait_for(pair.runtime, "audit", position)
    async with pair.runtime.db.connection() as db:
        assert await refresh_views(db)
    await followed(pair, await pair.register("Bob"))
    replica = pair.runtime.settings.database_replica_url
    assert await server(pair.runtime) == replica
    async with run_query(replica, EVERYTHING, "SELECT name FROM people", {}, 10) as rows:
        names = sorted([row async for chunk in rows.chunks for row in chunk])
    assert names == [("Ann",), ("Bob",)]

    wish = Wish(AuditFilter(), AuditFormat.NDJSON, None, pair.runtime.now())
    async with await psycopg.AsyncConnection[Any].connect(replica, autocommit=True) as db:

        async def read() -> bool:
            """Whether an export looked into the replica's audit: its own count of what it read."""
            made = Export(pair.runtime, wish)
            assert [part async for part in made]
            assert made.count
            [scans] = await anext(await db.execute(SCANS))
            return scans > 0

        await until(read)
    await pair.standby.stop()
    assert await server(pair.runtime) == pair.runtime.settings.database_url
    made = Export(pair.runtime, wish)
    assert [part async for part in made]
    assert made.count


async def test_doctor_says_how_the_replica_is(pair: Pair) -> None:
    await followed(pair, await pair.register("Ann"))

    async def caught_up() -> bool:
        check = await of_replica(pair.runtime)
        return (check.state, "a standby, 0.0 MiB behind" in check.detail) == ("ok", True)

    await until(caught_up)  # read models are written after what was waited for
    await pair.standby.stop()
    check = await of_replica(pair.runtime)
    assert (check.state, "DATABASE_REPLICA_URL" in check.detail) == ("warn", True)
    primary = pair.runtime.settings.database_url
    own = msgspec.structs.replace(pair.runtime.settings, database_replica_url=primary)
    check = await of_replica(msgspec.structs.replace(pair.runtime, settings=own))
    assert (check.state, "no standby" in check.detail) == ("warn", True)
    own = msgspec.structs.replace(own, database_replica_url="")
    check = await of_replica(msgspec.structs.replace(pair.runtime, settings=own))
    assert (check.state, check.detail) == ("ok", "none: the primary answers everything")
