"""How much an analyst's answer may be: whatever its columns are, it comes in bounded pieces."""

import asyncio
import sys

import pytest

from domain.errors import Invalid
from infra import analytics
from infra.analytics import Viewer, run
from infra.runtime import Runtime
from infra.settings import Settings, child_environment
from projections.analytics_views import refresh_views

ALL = Viewer("all", accounts=True)
MOST = 64 << 10  # KiB: of 8 MiB libpq has two copies, Python up to four and its JSON
TOO_WIDE = (
    "SELECT repeat('x', 100000000)",
    "SELECT repeat('x', 100000000) FROM generate_series(1, 3)",
    "SELECT repeat('é', 50000000), 1",
    "SELECT array_agg(repeat('x', 1000000)) FROM generate_series(1, 100)",
    "SELECT repeat('x', 100000000)::int",  # the error tells what is no number
)
WIDE = (
    "SELECT repeat('x', 8000000)",
    "SELECT repeat('x', 1900000) FROM generate_series(1, 100)",
    "SELECT repeat('x', 1000) FROM generate_series(1, 1000)",
)


async def test_wide_rows_are_taken_a_few_at_a_time(
    runtime: Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each chunk is bounded, and so is an answer."""
    async with runtime.db.connection() as connection:
        assert await refresh_views(connection)
    sql = "SELECT repeat('x', 200000) FROM generate_series(1, 40)"
    async with run(settings.database_url, ALL, sql, {}, 1_000) as rows:
        chunks = [len(chunk) async for chunk in rows.chunks]
    assert sum(chunks) == 40
    assert max(chunks) <= 9
    monkeypatch.setattr(analytics, "MAX_BYTES", 1_000_000)
    for wide in (
        sql,
        "SELECT jsonb_build_object('a', repeat('x', 200000)) FROM generate_series(1, 40)",
        "SELECT array_fill(123456, ARRAY[20000]) FROM generate_series(1, 40)",
    ):
        with pytest.raises(Invalid, match="too_wide"):
            async with run(settings.database_url, ALL, wide, {}, 1_000) as rows:
                assert sum([len(chunk) async for chunk in rows.chunks]) < 40


async def test_however_wide_a_row_is_its_process_takes_little_memory(
    runtime: Runtime, settings: Settings
) -> None:
    async with runtime.db.connection() as connection:
        assert await refresh_views(connection)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.wide_answers", *TOO_WIDE, *WIDE),
        env=child_environment(settings),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    told = [line.split(": ") for line in out.decode().splitlines()]
    refused = ["analytics.row_too_wide"] * len(TOO_WIDE)
    assert [how for how, _ in told] == [*refused, "1 rows", "100 rows", "1000 rows"]
    assert sum(int(kib) for _, kib in told) < MOST, told
