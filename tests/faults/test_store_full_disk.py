"""The disk of Postgres's tables, or of its WAL, is full for a while."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from infra.embedded import prepare_postgres
from infra.folder import hold_folder
from infra.runtime import open_runtime
from infra.settings import Settings
from infra.supervisor import Supervisor
from tests.faults.children import LIMIT_S, Loader, loading, times
from tests.faults.cluster import own_cluster, settings_of
from tests.faults.results import Counts
from tests.faults.small_disk import Disk, small_disk
from tests.faults.witness import witnessing
from tests.infra.until import until

pytestmark = [pytest.mark.services, pytest.mark.faults]

# Once is all for the WAL: Postgres keeps what segments it had, and has room the next time.
FILLED = {"base": times(10), "pg_wal": 1}
BETWEEN = 100  # answers
FULL = b"No space left on device"
SEEN = 3  # times that Postgres finds it full


@asynccontextmanager
async def postgres_on_small_disk(
    folder: Path, kept_there: str
) -> AsyncGenerator[tuple[Settings, Disk]]:
    """One with that part of its data there, kept running by a supervisor."""
    async with own_cluster(folder):
        pass
    with hold_folder(folder) as held, small_disk(held / "postgres" / kept_there) as disk:
        server = prepare_postgres(held)
        async with Supervisor() as supervisor:
            await supervisor.start(server.spec)
            yield settings_of(server.url), disk


@pytest.mark.parametrize("kept_there", FILLED)
async def test_while_the_disk_is_full_callers_wait_and_then_all_goes_on(
    folder: Path, tmp_path: Path, counts: Counts, kept_there: str
) -> None:
    async with postgres_on_small_disk(folder, kept_there) as (settings, disk):
        with (
            witnessing(settings, tmp_path) as witness,
            loading(settings, witness.diary()) as loader,
        ):
            for _ in range(FILLED[kept_there]):
                await fill_for_a_while(disk, folder / "logs" / "postgres.log", loader)
            await loader.end()
            async with open_runtime(settings) as runtime:
                checked = await witness.check(runtime.store)
    assert checked.unanswered == 0
    counts.add(FILLED[kept_there], checked)


async def fill_for_a_while(disk: Disk, log: Path, loader: Loader) -> None:
    await loader.more(BETWEEN)
    before = complaints(log)
    disk.fill()
    await until(lambda: complaints(log) >= before + SEEN, LIMIT_S)
    disk.free()
    await loader.more(BETWEEN)


def complaints(log: Path) -> int:
    return log.read_bytes().count(FULL)
