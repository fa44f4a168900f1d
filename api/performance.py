"""/realtime/performance: what the processes measure of themselves, now and over time."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.cached import keep, kept
from domain.access import Action
from infra.monitoring.history import NOW_S, Series, current
from infra.monitoring.trends import Trend, parsed, trend, wanted
from infra.runtime import Runtime

LIFE_S = 10  # of an answer: samples come no faster
MAX_NAME = 300  # characters

Metric = Annotated[str, QueryParameter(max_length=MAX_NAME, description="its name")]
Since = Annotated[datetime | None, QueryParameter(name="from", description="an hour ago")]
Until = Annotated[datetime | None, QueryParameter(name="to", description="now")]
Step = Annotated[str | None, QueryParameter(max_length=8, description="as in 10s, 5m, 1h, 1d")]
Role = Annotated[str, QueryParameter(max_length=MAX_NAME, description="of a role's processes")]
Labels = Annotated[str, QueryParameter(max_length=MAX_NAME, description="as in status=5xx")]


class Measured(msgspec.Struct, frozen=True):
    """Of the last `window_s` seconds."""

    at: datetime
    window_s: int
    series: list[Series]


@get("/metrics", opt={"action": Action.HEALTH_READ})
async def measured(runtime: NamedDependency[Runtime]) -> Measured:
    """Every metric, of all processes of a role together."""
    key = "performance"
    if (found := await kept(runtime, key, Measured)) is not None:
        return found
    now = runtime.now()
    async with runtime.db.connection() as db:
        made = Measured(now, NOW_S, await current(db, now))
    return await keep(runtime, key, made, LIFE_S)


@get("/trends", opt={"action": Action.HEALTH_READ})
async def trends(
    runtime: NamedDependency[Runtime],
    metric: Metric,
    since: Since = None,
    until: Until = None,
    step: Step = None,
    role: Role = "",
    labels: Labels = "",
) -> Trend:
    """How a metric went, step by step, and beside the period of the same length before."""
    now = runtime.now()
    asked = wanted(metric, since, until, parsed(step), now)
    asked = msgspec.structs.replace(asked, role=role, labels=labels)
    key = f"performance:{msgspec.json.encode(asked).decode()}"
    if (found := await kept(runtime, key, Trend)) is not None:
        return found
    async with runtime.db.connection() as db:
        return await keep(runtime, key, await trend(db, asked, now), LIFE_S)


performance = Router(
    "/realtime/performance", route_handlers=[measured, trends], tags=["operations"]
)
