"""Fixtures of the fault tests, and the table of their results."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.eventstore.lookout import Lookout
from infra.eventstore.store import PostgresStore
from infra.eventstore.types import NEW
from infra.eventstore.writer import Writer
from infra.runtime import Runtime
from infra.settings import Settings
from tests.faults.children import full
from tests.faults.commands import asked, send
from tests.faults.diary import Diary, Part
from tests.faults.proxy import Proxy
from tests.faults.results import Counts, keep, row, table
from tests.faults.witness import Witness, witnessing


@pytest.fixture
def counts(record_property: Callable[[str, object], None]) -> Counts:
    return Counts(record_property)


@pytest.fixture
def witness(settings: Settings, tmp_path: Path) -> Iterator[Witness]:
    """Of the log of `settings`."""
    with witnessing(settings, tmp_path) as one:
        yield one


@pytest.fixture
async def proxy(settings: Settings) -> AsyncIterator[Proxy]:
    port = conninfo_to_dict(settings.database_url)["port"]
    async with Proxy(int(str(port))) as one:
        yield one


@pytest.fixture
async def store(
    runtime: Runtime, settings: Settings, proxy: Proxy, witness: Witness
) -> AsyncIterator[PostgresStore]:
    """What it appends goes through the proxy, what it reads does not."""
    writer = Writer(make_conninfo(settings.database_url, host="127.0.0.1", port=proxy.port))
    writing = asyncio.create_task(writer.run())
    lookout = Lookout(settings.database_url)
    store = PostgresStore(runtime.db, writer, runtime.store.follower, lookout)
    diary, first = Diary(witness.diary()), asked(Part(uuid4(), NEW, 1))
    diary.write(first)
    diary.write(await send(store, first))  # connected: what the proxy sees now is an append
    yield store
    proxy.let_pass()
    writer.close()
    await writing
    await lookout.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """For a Postgres of the test's own, which as root runs as another user."""
    parent = Path(tempfile.mkdtemp(prefix="formula-faults-"))
    parent.chmod(0o755)
    yield parent / "data"
    shutil.rmtree(parent)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not full():
        return
    reports = [
        report
        for outcome in ("passed", "failed", "skipped")
        for report in terminalreporter.getreports(outcome)
        if isinstance(report, pytest.TestReport) and "faults" in report.keywords
    ]
    rows = [row(report) for report in reports]
    terminalreporter.section("faults")
    terminalreporter.write(table(rows))
    terminalreporter.write_line(f"kept in {keep(rows)}")
