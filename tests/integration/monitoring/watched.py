"""Processes that sample themselves each second, and rules that are looked at as often."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from domain.alert import alert_stream
from domain.alert_events import AlertEvent
from domain.registry import tag_of
from infra.metrics import Metrics
from infra.monitoring.rules import DEFAULTS, load_rules
from infra.monitoring.sampling import sampling
from infra.monitoring.servers import Servers
from infra.runtime import Runtime
from tests.workers.office import until
from workers.alerting import Alerting

LOOK_S = 0.3


def quick(runtime: Runtime, folder: Path, changes: str = "", **settings: Any) -> Runtime:
    """With the default rules, but of a second or two; `changes`: TOML that says more of some."""
    file = folder / "rules.toml"
    tables = [f"[{rule.name}]\nfor_s = 1\nkeep_s = 1\nquery.over_s = 2\n" for rule in DEFAULTS]
    for line in changes.strip().splitlines():
        name, _, rest = line.strip().partition(": ")
        place = next(n for n, rule in enumerate(DEFAULTS) if rule.name == name)
        tables[place] += rest.replace("; ", "\n") + "\n"
    file.write_text("\n".join(tables))
    changed = msgspec.structs.replace(
        runtime.settings, metrics_every_s=1, alert_rules=str(file), **settings
    )
    return msgspec.structs.replace(runtime, settings=changed)


@asynccontextmanager
async def watched(runtime: Runtime, *, servers: bool = False) -> AsyncGenerator[None]:
    """The scheduler's ticks that concern alerts, as it runs them; `servers`: measure them too."""
    alerting, measure = Alerting(runtime, load_rules(runtime.settings)), Servers(runtime)

    async def tick() -> None:
        while True:
            if servers:
                await measure(0.0)
            await alerting(0.0)
            await asyncio.sleep(LOOK_S)

    async with asyncio.TaskGroup() as tasks:
        ticking = tasks.create_task(tick())
        yield
        ticking.cancel()


@asynccontextmanager
async def process(
    runtime: Runtime, metrics: Metrics | None = None, role: str = "api"
) -> AsyncGenerator[None]:
    """A process, as far as it samples."""
    async with sampling(runtime, role, metrics or Metrics()):
        yield


async def events(runtime: Runtime, rule: str) -> list[AlertEvent]:
    stream: Any = await runtime.store.read_stream(alert_stream(rule))
    return [one.event for one in stream]


async def told(runtime: Runtime, rule: str) -> list[str]:
    """What happened to the alert: pending, fired, …"""
    return [
        tag_of(type(one)).removeprefix("alert.").removesuffix(".v1")
        for one in await events(runtime, rule)
    ]


async def comes(runtime: Runtime, rule: str, event: str, times: int = 1) -> None:
    async def there() -> bool:
        return (await told(runtime, rule)).count(event) >= times

    await until(there)
