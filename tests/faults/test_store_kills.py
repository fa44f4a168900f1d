"""Writers killed within a batch, and connections ended by the server, under load."""

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra.runtime import open_runtime
from infra.settings import Settings
from tests.faults.children import LIMIT_S, loading, times
from tests.faults.results import Counts
from tests.faults.witness import Witness
from tests.infra.until import until

pytestmark = [pytest.mark.services, pytest.mark.faults]

KILLS, ENDINGS = times(50), times(50)
BETWEEN = 60  # answers
VICTIM = "victim"  # what the sessions of a writer that will be killed are called


async def test_a_killed_writer_leaves_nothing_lost_doubled_or_half_there(
    settings: Settings, witness: Witness, counts: Counts
) -> None:
    victims = Settings(
        database_url=make_conninfo(settings.database_url, application_name=VICTIM),
        redis_url=settings.redis_url,
    )
    with loading(settings, witness.diary(), callers=4) as survivor:
        for _ in range(KILLS):
            with loading(victims, witness.diary()) as victim:
                await victim.more(BETWEEN)
                victim.kill()
        await survivor.more(BETWEEN)
        await survivor.end()
    # What a dead writer had sent is still done.
    await until(lambda: sessions(settings.database_url, VICTIM) == 0, LIMIT_S)
    async with open_runtime(settings) as runtime:
        checked = await witness.check(runtime.store)
    assert checked.unanswered >= KILLS, "they were not killed within a batch"
    counts.add(KILLS, checked)


async def test_a_writer_whose_connections_are_ended_gives_nothing_up(
    settings: Settings, witness: Witness, counts: Counts
) -> None:
    with loading(settings, witness.diary()) as loader:
        for _ in range(ENDINGS):
            await loader.more(BETWEEN)
            end_sessions(settings.database_url)
        await loader.more(BETWEEN)
        await loader.end()
    async with open_runtime(settings) as runtime:
        checked = await witness.check(runtime.store)
    assert checked.unanswered == 0
    counts.add(ENDINGS, checked)


def sessions(conninfo: str, name: str) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (name,)
        ).fetchone()
    assert row is not None
    return int(row[0])


def end_sessions(conninfo: str) -> None:
    """All but our own: the writer's, the readers' and the listeners'."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
    assert ended
