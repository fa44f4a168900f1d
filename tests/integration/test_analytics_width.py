"""How much an analyst's answer may be: whatever its columns are, it comes in bounded pieces."""

import pytest

from domain.errors import Invalid
from infra import analytics
from infra.analytics import Viewer, run
from infra.runtime import Runtime
from infra.settings import Settings
from projections.analytics_views import refresh_views

ALL = Viewer("all", accounts=True)


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
