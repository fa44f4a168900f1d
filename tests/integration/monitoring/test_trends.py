"""A metric over time: the right rows for each step, percentiles, and the period before."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.errors import Invalid
from infra.db import Connection
from infra.monitoring.history import current
from infra.monitoring.partitions import DAYS, HOURS, MINUTES, SAMPLES
from infra.monitoring.rolling import LEVELS, roll
from infra.monitoring.samples import Sample
from infra.monitoring.trends import MOST, Point, Trend, table_of, trend, wanted
from tests.integration.monitoring.given import NOW, A, B, sampled, seconds

CPU, MADE, HTTP = "formula_process_cpu_share", "formula_made_total", "formula_http_seconds"
SECOND, MINUTE, HOUR, DAY = (
    timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days")
)
AFTER = NOW + SECOND


async def asked(
    db: Connection, metric: str, start: datetime, end: datetime, step: timedelta
) -> Trend:
    return await trend(db, wanted(metric, start, end, step, AFTER), AFTER)


async def rolled(db: Connection) -> None:
    for level in LEVELS:
        await roll(db, level, AFTER)


def told(points: list[Point]) -> list[tuple[float, Any]]:
    """Minutes before NOW, and the figures."""
    return [((NOW - one.at) / MINUTE, one.figures) for one in points]


async def test_a_gauge_by_the_minute_and_by_ten_seconds(db: Connection) -> None:
    for ago_s, value in ((125, 0.1), (115, 0.2), (65, 0.4), (62, 0.6)):
        await sampled(db, Sample(CPU, "", value), ago_s=ago_s)
    await rolled(db)
    by_minute = await asked(db, CPU, NOW - 2 * MINUTE, NOW, MINUTE)
    assert [(at, f.samples, f.avg, f.min, f.max) for at, f in told(by_minute.current.points)] == [
        (2.0, 3, pytest.approx(0.4), 0.2, 0.6)
    ]
    assert by_minute.previous.total is not None
    assert by_minute.previous.total.avg == 0.1
    assert by_minute.change.avg == pytest.approx(3.0)
    raw = await asked(db, CPU, NOW - 2 * MINUTE, NOW, 10 * SECOND)
    assert [f.avg for _, f in told(raw.current.points)] == [0.2, pytest.approx(0.5)]
    assert (by_minute.kind, by_minute.step_s, raw.step_s) == ("gauge", 60, 10)


async def test_a_counter_over_nodes_as_a_rate(db: Connection) -> None:
    for node, ago_s, value in ((A, 90, 3), (B, 90, 9), (A, 30, 6), (A, 150, 6)):
        await sampled(db, Sample(MADE, "", value), node=node, ago_s=ago_s)
    await rolled(db)
    found = await asked(db, MADE, NOW - 2 * MINUTE, NOW, MINUTE)
    assert [(f.count, f.per_s) for _, f in told(found.current.points)] == [(12, 0.2), (6, 0.1)]
    assert found.current.total is not None
    assert (found.current.total.count, found.current.total.per_s) == (18, 0.15)
    assert found.change.per_s == 2.0
    assert found.kind == "counter"


async def test_percentiles_of_all_nodes_by_route(db: Connection) -> None:
    await sampled(db, seconds("route=/x,status=2xx", 50, 40, total=1.0), node=A, ago_s=90)
    others = (
        seconds("route=/x,status=2xx", 0, 0, 10, total=1.0),
        seconds("route=/y,status=2xx", 0, 0, 0, 5, total=1.0),
    )
    await sampled(db, *others, node=B, ago_s=90)
    await rolled(db)
    plan = wanted(HTTP, NOW - 2 * MINUTE, NOW, MINUTE, AFTER)
    of_x = type(plan)(plan.metric, plan.start, plan.end, plan.step, "api", "route=/x")
    [point] = (await trend(db, of_x, AFTER)).current.points
    assert (point.figures.count, point.figures.avg) == (100, pytest.approx(0.02))
    assert point.figures.p50 == pytest.approx(0.0005)
    assert point.figures.p95 == pytest.approx(0.0015)
    everything = await trend(db, plan, AFTER)
    assert everything.current.points[0].figures.count == 105
    assert everything.previous.total is None
    assert everything.change.p95 is None


async def test_hours_and_days_say_the_same_as_what_they_are_made_of(db: Connection) -> None:
    for hours in range(30):
        await sampled(db, Sample(MADE, "", 2.0), ago_s=3_600 * hours)
    await rolled(db)
    since = NOW - 24 * HOUR
    totals = {
        step: (await asked(db, MADE, since, AFTER, step)).current.total
        for step in (10 * SECOND * 360 // 4, 5 * MINUTE, HOUR)
    }
    assert {step: one.count for step, one in totals.items() if one} == {
        15 * MINUTE: 50.0,
        5 * MINUTE: 50.0,
        HOUR: 50.0,
    }
    by_day = await asked(db, MADE, NOW - DAY, AFTER, DAY)
    assert [f.count for _, f in told(by_day.current.points)] == [34.0, 26.0]


@pytest.mark.parametrize(
    ("step", "table"),
    [(10 * SECOND, SAMPLES), (90 * SECOND, SAMPLES), (5 * MINUTE, MINUTES), (90 * MINUTE, MINUTES),
     (6 * HOUR, HOURS), (36 * HOUR, HOURS), (7 * DAY, DAYS)],
)  # fmt: skip
def test_a_step_is_made_of_the_coarsest_rows_that_fit(step: timedelta, table: Any) -> None:
    assert table_of(step) is table


@pytest.mark.parametrize(
    ("start", "end", "step", "code"),
    [
        (NOW, NOW, None, "trend.no_period"),
        (NOW - HOUR, NOW - 2 * HOUR, None, "trend.no_period"),
        (NOW + HOUR, None, None, "trend.no_period"),
        (NOW - HOUR, NOW, 15 * SECOND, "trend.bad_step"),
        (NOW - HOUR, NOW, timedelta(0), "trend.bad_step"),
        (NOW - 1_001 * MINUTE, NOW, MINUTE, "trend.too_many_points"),
        (NOW - 3 * DAY, NOW - 3 * DAY + HOUR, 10 * SECOND, "trend.too_fine"),
        (NOW - 15 * DAY, NOW - 14 * DAY, 5 * MINUTE, "trend.too_fine"),
        (datetime(2026, 5, 17), NOW, None, "trend.no_time_zone"),  # noqa: DTZ001, that is it
    ],
)
def test_what_cannot_be_answered_is_refused(start: Any, end: Any, step: Any, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        wanted(CPU, start, end, step, NOW)
    assert caught.value.code == code


def test_as_many_points_as_there_may_be() -> None:
    asked = wanted(CPU, NOW - MOST * MINUTE, NOW, MINUTE, NOW)
    assert (asked.end - asked.start) / asked.step == MOST


@pytest.mark.parametrize(
    ("span", "step"),
    [(10 * MINUTE, 10 * SECOND), (HOUR, MINUTE), (6 * HOUR, 5 * MINUTE), (DAY, 15 * MINUTE),
     (5 * DAY, HOUR), (20 * DAY, 6 * HOUR), (100 * DAY, DAY), (800 * DAY, 7 * DAY),
     (2_000 * DAY, 7 * DAY)],
)  # fmt: skip
def test_without_a_step_there_are_not_too_many(span: timedelta, step: timedelta) -> None:
    assert wanted(CPU, NOW - span, None, None, NOW).step == step


def test_by_itself_it_is_the_last_hour_in_whole_steps() -> None:
    now = datetime(2026, 5, 17, 12, 30, 20, tzinfo=UTC)
    asked = wanted(CPU, None, None, None, now)
    assert (asked.start, asked.end) == (now.replace(minute=30, hour=11, second=0),
                                        now.replace(minute=31, second=0))  # fmt: skip


async def test_a_period_before_what_is_kept_is_not_compared(db: Connection) -> None:
    await sampled(db, Sample(CPU, "", 0.5))
    found = await asked(db, CPU, NOW - 30 * HOUR, AFTER, 150 * SECOND)
    assert found.current.total is not None
    assert (found.previous.total, found.previous.points) == (None, [])


async def test_now_is_the_last_minute_of_every_series(db: Connection) -> None:
    await sampled(db, Sample(CPU, "", 0.2), seconds("route=/x,status=2xx", 3), node=A, ago_s=10)
    await sampled(db, Sample(CPU, "", 0.4), Sample(MADE, "kind=x", 120), node=B, ago_s=10)
    await sampled(db, Sample(CPU, "", 0.9), node=B, ago_s=60)
    found = {one.metric: one for one in await current(db, NOW)}
    assert list(found) == ["formula_http_seconds", MADE, CPU, "formula_up"]
    cpu, made, http = found[CPU], found[MADE], found[HTTP]
    assert (cpu.role, cpu.nodes, cpu.figures.avg) == ("api", 2, pytest.approx(0.3))
    assert (made.kind, made.labels, made.figures.per_s) == ("counter", {"kind": "x"}, 2.0)
    assert (http.kind, http.labels["route"], http.figures.per_s) == ("histogram", "/x", 0.05)
