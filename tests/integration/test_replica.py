"""Queries go to a streaming replica that shows what is asked for, and to the primary else."""

import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from domain.user import USER, RegisterUser, Role
from infra.db import Connection
from infra.embedded import prepare_postgres
from infra.folder import hold_folder
from infra.runtime import SYSTEM, Runtime, open_runtime
from infra.settings import Settings
from infra.supervisor import Supervisor
from projections.read import reading
from projections.users import list_users
from tests.conftest import projecting
from tests.integration.test_backup import cluster, hand_over, run
from tests.workers.office import until


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


async def test_what_the_replica_shows_it_answers(pair: Pair) -> None:
    position = await pair.register("Ann")
    assert (await pair.seen(position))[1] == ["Ann"]  # whichever answers
    await followed(pair, position)
    assert await pair.seen(position) == (True, ["Ann"])
    assert await pair.seen() == (True, ["Ann"])


async def test_what_it_has_not_seen_the_primary_answers(pair: Pair) -> None:
    await followed(pair, await pair.register("Ann"))
    replica = pair.runtime.settings.database_replica_url
    async with await psycopg.AsyncConnection.connect(replica, autocommit=True) as db:
        await db.execute("SELECT pg_wal_replay_pause()")
        position = await pair.register("Bob")
        assert await pair.seen(position) == (False, ["Ann", "Bob"])
        await db.execute("SELECT pg_wal_replay_resume()")
    await followed(pair, position)
    assert await pair.seen(position) == (True, ["Ann", "Bob"])


async def test_without_the_replica_everything_is_answered(pair: Pair) -> None:
    await followed(pair, await pair.register("Ann"))
    await pair.standby.stop()
    position = await pair.register("Bob")
    assert await pair.seen(position) == (False, ["Ann", "Bob"])
    assert await pair.seen() == (False, ["Ann", "Bob"])


async def test_a_server_that_is_no_replica_is_not_asked(projected: Runtime) -> None:
    """Of a database that was promoted, say: nothing reaches it any more."""
    url = make_conninfo(projected.settings.database_url)
    own = msgspec.structs.replace(projected.settings, database_replica_url=url)
    async with open_runtime(own) as runtime:
        assert runtime.replica is not None
        async with runtime.replica.at("queries", 0) as connection:
            assert connection is None
