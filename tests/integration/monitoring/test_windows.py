"""What alerts ask: figures of a window, of all nodes together, in one round trip."""

import msgspec
import pytest

from infra.db import Connection
from infra.monitoring.history import Query, windows
from infra.monitoring.samples import Sample
from tests.integration.monitoring.given import NOW, A, B, sampled, seconds

CPU = "formula_process_cpu_share"
HTTP = "formula_http_seconds"
MADE = "formula_made_total"


async def asked(db: Connection, *queries: Query) -> list[float | None]:
    return await windows(db, queries, NOW)


async def test_gauges_are_averaged_over_nodes_and_the_highest_is_found(db: Connection) -> None:
    await sampled(db, Sample(CPU, "", 0.2), node=A, ago_s=10)
    await sampled(db, Sample(CPU, "", 0.9), node=B, ago_s=10)
    await sampled(db, Sample(CPU, "", 0.1), node=A)
    await sampled(db, Sample(CPU, "", 5.0), node=A, role="worker")
    await sampled(db, Sample(CPU, "", 7.0), node=A, ago_s=60)
    assert await asked(
        db,
        Query(CPU, "api", how="avg"),
        Query(CPU, "api", how="max"),
        Query(CPU, "", how="max"),
        Query(CPU, "api", over_s=61.0, how="max"),
        Query(CPU, "scheduler", how="max"),
    ) == [pytest.approx(0.4), 0.9, 5.0, 7.0, None]


async def test_counters_add_up(db: Connection) -> None:
    await sampled(db, Sample(MADE, "kind=x", 3), node=A, ago_s=20)
    await sampled(db, Sample(MADE, "kind=x", 4), Sample(MADE, "kind=y", 5), node=B, ago_s=20)
    assert await asked(
        db,
        Query(MADE, how="sum"),
        Query(MADE, labels="kind=x", how="sum"),
        Query(MADE, over_s=24.0, how="rate"),
        Query(MADE, labels="kind=x", how="ratio"),
    ) == [12.0, 7.0, 0.5, pytest.approx(7 / 12)]


async def test_nothing_counted_is_nought_where_somebody_looked(db: Connection) -> None:
    await sampled(db, role="worker", ago_s=5)
    assert await asked(
        db,
        Query(MADE, "worker", how="sum"),
        Query(MADE, "worker", how="rate"),
        Query(MADE, "api", how="sum"),
        Query(MADE, "worker", over_s=5.0, how="sum"),
        Query(MADE, "worker", how="ratio"),
        Query(MADE, "worker", how="avg"),
        Query(HTTP, "worker", how="p95"),
    ) == [0.0, 0.0, None, None, None, None, None]


async def test_of_histograms_rates_and_ratios_are_of_what_was_observed(db: Connection) -> None:
    read = "method=GET,route=/x,status=2xx"
    await sampled(db, seconds(read, 0, 6, total=0.012), node=A)
    await sampled(db, seconds(read, 0, 2, total=0.004), node=B)
    await sampled(db, seconds("method=GET,route=/x,status=5xx", 0, 0, 2, total=0.1), ago_s=10)
    found = await asked(
        db,
        Query(HTTP, labels="status=5xx", how="ratio"),
        Query(HTTP, labels="route=/x,status=2xx", how="rate"),
        Query(HTTP, labels="status=2xx", how="avg"),
        Query(HTTP, labels="status=2xx", how="max"),
        Query(HTTP, how="p50"),
        Query(HTTP, how="p99"),
        Query(HTTP, labels="route=/", how="sum"),
    )
    assert found == [
        0.2,
        pytest.approx(8 / 60),
        pytest.approx(0.002),
        0.001,
        pytest.approx(0.0005 + 0.0005 * 5 / 8),
        pytest.approx(0.001 + 0.001 * 1.9 / 2),
        0.0,
    ]


async def test_a_ratio_may_be_of_another_metric(db: Connection) -> None:
    await sampled(db, Sample("formula_hits_total", "", 30), Sample("formula_looks_total", "", 40))
    query = Query("formula_hits_total", how="ratio", whole="formula_looks_total")
    assert await asked(db, query, Query("formula_hits_total", how="sum")) == [0.75, 30.0]


async def test_a_ratio_of_too_few_is_none(db: Connection) -> None:
    """One of two that broke off is no half of all."""
    await sampled(db, Sample(MADE, "kind=x", 2), Sample(MADE, "kind=y", 8))
    of = Query(MADE, labels="kind=x", how="ratio", least=10)
    assert await asked(db, of, msgspec.structs.replace(of, least=11)) == [0.2, None]


async def test_without_a_question_there_is_no_answer(db: Connection) -> None:
    assert await asked(db) == []
