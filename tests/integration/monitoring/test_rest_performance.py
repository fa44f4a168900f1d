"""/realtime/performance, and what answers are counted as."""

from datetime import timedelta
from typing import Any

import pytest

from infra.metrics import Family
from infra.monitoring.partitions import make
from infra.monitoring.samples import Batch, Sample, write
from infra.monitoring.sampling import Sampler
from tests.integration.conftest import Api
from tests.integration.monitoring.given import A, seconds

METRICS, TRENDS = "/realtime/performance/metrics", "/realtime/performance/trends"
HTTP = "formula_http_seconds"
LONG_AGO = "2020-01-01T00:00:00Z"


async def put(api: Api, *samples: Sample, ago_s: float = 5.0) -> None:
    runtime = api.runtime
    async with runtime.db.connection() as db:
        await make(db, runtime.now())
        at = runtime.now() - timedelta(seconds=ago_s)
        await write(db, A, Batch(at, "api", list(samples)))


def times(api: Api) -> dict[tuple[str, ...], int]:
    """How many answers, by route, method and status."""
    families: list[Family] = api.app.state["counted"].read()
    [found] = [one for one in families if one.name == HTTP]
    return {tuple(value for _, value in p.labels): sum(p.counts) for p in found.points}


async def test_answers_are_counted_by_route_and_never_by_path(api: Api) -> None:
    boss = await api.as_("manager")
    before = times(api)
    project = (await boss.do("POST", "/projects", {"name": "P"}))["id"]
    for _ in range(3):
        await boss.get(f"/projects/{project}")
    await boss("GET", "/projects/01890000-0000-7000-8000-000000000000")
    for path in ("/nothing/here", "/nothing/there"):
        assert (await boss("GET", path)).status_code == 404
    assert (await boss("BREW", "/projects")).status_code == 405
    assert (await api.client.get("/api/v1/projects")).status_code == 401
    counted = {key: count - before.get(key, 0) for key, count in times(api).items()}
    assert {key: count for key, count in counted.items() if count} == {
        ("/api/v1/projects", "POST", "2xx"): 1,
        ("/api/v1/projects/{project}", "GET", "2xx"): 3,
        ("/api/v1/projects/{project}", "GET", "4xx"): 1,
        ("/api/v1/projects", "GET", "4xx"): 1,
        ("unknown", "", "4xx"): 3,
    }


async def test_operators_see_what_is_measured_now(api: Api) -> None:
    otto = await api.as_("operator")
    await put(api, Sample("formula_process_cpu_share", "", 0.25), seconds("route=/x", 3))
    found = await otto.get(METRICS)
    assert found["window_s"] == 60
    series = {one["metric"]: one for one in found["series"]}
    assert series["formula_process_cpu_share"] == {
        "metric": "formula_process_cpu_share",
        "kind": "gauge",
        "role": "api",
        "labels": {},
        "nodes": 1,
        "figures": {"samples": 1, "avg": 0.25, "min": 0.25, "max": 0.25},
    }
    assert series[HTTP]["labels"] == {"route": "/x"}
    assert series[HTTP]["figures"]["count"] == 3


async def test_answers_are_kept_for_a_moment(api: Api) -> None:
    otto = await api.as_("operator")
    first = await otto.get(METRICS)
    await put(api, Sample("formula_process_cpu_share", "", 0.25))
    assert await otto.get(METRICS) == first
    key = f"{api.runtime.settings.redis_prefix}performance"
    assert 0 < await api.runtime.redis.pttl(key) <= 10_000
    await api.runtime.redis.delete(key)
    assert await otto.get(METRICS) != first


async def test_trends_by_step_label_and_period(api: Api) -> None:
    otto = await api.as_("operator")
    for ago_s, counts in ((5, (1,)), (25, (0, 3)), (70, (0, 0, 4))):
        await put(api, seconds("route=/x,status=2xx", *counts), ago_s=ago_s)
    now = api.runtime.now()
    found = await otto.get(
        TRENDS,
        metric=HTTP,
        step="10s",
        labels="status=2xx",
        role="api",
        to=now.isoformat(),
        **{"from": (now - timedelta(seconds=50)).isoformat()},
    )
    assert (found["kind"], found["step_s"]) == ("histogram", 10)
    assert found["current"]["total"]["count"] == 4
    assert sorted(one["figures"]["count"] for one in found["current"]["points"]) == [1, 3]
    assert found["previous"]["total"]["count"] == 4
    assert found["change"]["p95"] < 0
    other = await otto.get(TRENDS, metric=HTTP, step="10s", labels="status=5xx")
    assert (other["current"]["points"], other["change"]) == ([], {})


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ({}, "422 request.invalid"),
        ({"metric": HTTP, "step": "5 m"}, "422 trend.bad_step"),
        ({"metric": HTTP, "step": "7s"}, "422 trend.bad_step"),
        ({"metric": HTTP, "step": "999999d"}, "422 trend.bad_step"),
        ({"metric": HTTP, "step": "1m", "from": LONG_AGO}, "422 trend.too_many_points"),
        ({"metric": HTTP, "from": "2020-01-01T00:00:00"}, "422 trend.no_time_zone"),
        ({"metric": HTTP, "from": "2999-01-01T00:00:00Z"}, "422 trend.no_period"),
        ({"metric": HTTP, "to": "0001-01-01T00:00:00Z"}, "422 trend.no_period"),
        ({"metric": "x" * 301}, "422 request.invalid"),
        ({"metric": "a\0b"}, "422 request.invalid"),
    ],
)  # fmt: skip
async def test_what_cannot_be_answered_is_refused(api: Api, asked: Any, refused: str) -> None:
    otto = await api.as_("operator")
    answer = await api.client.get(
        f"/api/v1{TRENDS}", params=asked, headers={"Authorization": f"Bearer {otto.token}"}
    )
    assert f"{answer.status_code} {answer.json()['code']}" == refused


async def test_what_another_version_kept_is_made_anew(api: Api) -> None:
    otto = await api.as_("operator")
    await api.runtime.redis.set(f"{api.runtime.settings.redis_prefix}performance", b"{}", ex=10)
    assert (await otto("GET", METRICS)).status_code == 200


async def test_from_the_beginning_is_from_where_something_is_kept(api: Api) -> None:
    otto = await api.as_("operator")
    found = await otto.get(TRENDS, metric=HTTP, **{"from": "0001-01-01T00:00:00Z"})
    assert found["step_s"] == 7 * 86_400
    assert found["current"]["points"] == []


async def test_what_is_sampled_is_what_is_asked(api: Api) -> None:
    """From a request to its trend."""
    otto = await api.as_("operator")
    for _ in range(4):
        await otto.get("/auth/me")
    sampler = Sampler(api.runtime, "api", api.app.state["counted"])
    await sampler.sample(api.runtime.now())
    found = await otto.get(TRENDS, metric=HTTP, step="10s", labels="route=/api/v1/auth/me")
    assert found["current"]["total"]["count"] == 4
    assert 0 < found["current"]["total"]["p50"] < 5
