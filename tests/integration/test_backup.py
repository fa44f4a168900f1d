"""Backups as the README describes them, made and restored with Postgres's own programs."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from domain.kernel import Event, Recorded
from domain.motion import CursorMoved
from infra.embedded import Server, prepare_postgres
from infra.eventstore.epoch import read_epoch
from infra.eventstore.types import ANY, Motion, To
from infra.eventstore.verify import verify
from infra.folder import hold_folder, make_private_folder, server_user
from infra.programs import postgres_programs
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from infra.supervisor import Supervisor
from migrations.runner import migrate, pending
from tests.contract.test_store import ROOM, act, meta
from tests.integration.command import formula
from tests.workers.office import until

ANN = UUID(int=1)
MOST = 100_000


async def grow(runtime: Runtime, times: int) -> None:
    """Commands of one and of three events, and motion."""
    for _ in range(times):
        moved = CursorMoved(room=ROOM, at=msgspec.Raw(b'{"x":1}'))
        runtime.store.append_motion(Motion(moved, uuid4(), ANN, None))
        await runtime.store.append(meta(), To(ANN, ANY, (act(),)))
        await runtime.store.append(meta(), To(ANN, ANY, (act(), act())), To(uuid4(), ANY, (act(),)))


async def whole(runtime: Runtime) -> list[Recorded[Event]]:
    events = await runtime.store.read(0, MOST)
    assert len(events) < MOST
    return events


async def findings(conninfo: str) -> list[str]:
    report = await verify(conninfo, 0, lambda _done, _of: None)
    assert report.events > 0
    return [one.detail for one in report.findings]


async def run(program: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        postgres_programs() / program, *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()


@pytest.fixture
def restored(settings: Settings) -> Generator[Settings]:
    """Settings of an empty database in the same cluster."""
    name = f"r_{secrets.token_hex(6)}"
    with psycopg.connect(settings.database_url, autocommit=True) as db:
        db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield msgspec.structs.replace(
            settings, database_url=make_conninfo(settings.database_url, dbname=name)
        )
        db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def test_a_dump_made_under_load_holds_a_prefix_of_the_log(
    projected: Runtime, restored: Settings, tmp_path: Path
) -> None:
    """Also its read models: they are where the log of the dump is, or behind."""
    await grow(projected, 20)
    growing = asyncio.create_task(grow(projected, 1_000_000))
    dump = str(tmp_path / "formula.dump")
    url = projected.settings.database_url
    await run("pg_dump", "--format=custom", f"--file={dump}", url)
    assert not growing.done()
    growing.cancel()
    await asyncio.gather(growing, return_exceptions=True)
    arguments = ("--exit-on-error", "--no-owner", f"--dbname={restored.database_url}", dump)
    await run("pg_restore", *arguments)

    assert pending(restored.database_url) == []
    assert await findings(restored.database_url) == []
    async with open_runtime(restored) as runtime:
        kept = await whole(runtime)
        assert len(kept) >= 20 * 4
        assert await projected.store.head() > kept[-1].position
        assert await projected.store.read(0, len(kept)) == kept
        assert await read_epoch(runtime.db) == await read_epoch(projected.db)
        await grow(runtime, 1)
        assert (await whole(runtime))[: len(kept)] == kept
    assert await findings(restored.database_url) == []


async def test_clients_notice_a_restore_after_a_new_epoch(runtime: Runtime) -> None:
    """A dump brings its salt along: in the same cluster nothing else would tell, see above."""
    before = await read_epoch(runtime.db)
    code, _, err = await formula(runtime, "store", "new-epoch")
    assert (code, err) == (0, "")
    assert await read_epoch(runtime.db) != before


@pytest.fixture
def folder() -> Generator[Path]:
    """For clusters of the test's own, where their user can reach them."""
    parent = Path(tempfile.mkdtemp(prefix="formula-backup-"))
    parent.chmod(0o755)
    yield parent
    shutil.rmtree(parent)


@asynccontextmanager
async def cluster(folder: Path, settings: Settings, *lines: str) -> AsyncGenerator[Runtime]:
    """The Postgres of a data folder, with more settings, and a runtime over it."""
    with hold_folder(folder) as held:
        server: Server = prepare_postgres(held, durable=False)
        with (held / "postgres" / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{line}\n" for line in lines)
        async with Supervisor() as supervisor:
            await supervisor.start(server.spec)
            migrate(server.url)
            own = msgspec.structs.replace(settings, database_url=server.url)
            async with open_runtime(own) as runtime:
                yield runtime


async def test_a_base_backup_and_the_archive_bring_back_any_moment(
    settings: Settings, folder: Path
) -> None:
    archive, spare = folder / "archive", folder / "spare"
    make_private_folder(archive, server_user())
    spare.mkdir()
    archiving = f"archive_command = 'test ! -f {archive}/%f && cp %p {archive}/%f'"
    async with cluster(folder / "first", settings, "archive_mode = on", archiving) as runtime:
        await grow(runtime, 5)
        url = runtime.settings.database_url
        base = str(spare / "postgres")
        await run("pg_basebackup", "--checkpoint=fast", f"--pgdata={base}", f"--dbname={url}")
        await grow(runtime, 5)
        wanted, at = await whole(runtime), await now(runtime)
        await grow(runtime, 5)
        epoch = await read_epoch(runtime.db)
        await archived(runtime)

    shutil.copy(folder / "first" / "postgres.password", spare)
    (spare / "postgres" / "recovery.signal").touch()
    hand_over(spare / "postgres")
    async with cluster(
        spare,
        settings,
        f"restore_command = 'cp {archive}/%f %p'",
        f"recovery_target_time = '{at}'",
        "recovery_target_action = promote",
        "hot_standby = off",
    ) as runtime:
        assert await whole(runtime) == wanted
        assert await read_epoch(runtime.db) != epoch
        await grow(runtime, 1)
        assert (await whole(runtime))[: len(wanted)] == wanted
        assert await findings(runtime.settings.database_url) == []


def hand_over(data: Path) -> None:
    """What root restored must belong to the server's user."""
    for path in (data, *data.rglob("*")):
        shutil.chown(path, server_user().pw_uid, server_user().pw_gid)


async def now(runtime: Runtime) -> str:
    async with runtime.db.connection() as db:
        row = await (await db.execute("SELECT clock_timestamp()::text")).fetchone()
    assert row is not None
    return str(row[0])


async def archived(runtime: Runtime) -> None:
    """Returns once all that is written up to now lies in the archive."""
    async with runtime.db.connection() as db:
        row = await (await db.execute("SELECT pg_walfile_name(pg_switch_wal())")).fetchone()
        assert row is not None

        async def there() -> bool:
            cursor = await db.execute(
                "SELECT last_archived_wal >= %s AND failed_count = 0 FROM pg_stat_archiver", row
            )
            answer = await cursor.fetchone()
            return bool(answer and answer[0])

        await until(there)
