"""The tick: what is measured becomes events, once, whoever leads and whatever is missing."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest

from domain.alert_events import AlertPending, AlertResolved
from infra.monitoring.partitions import make
from infra.monitoring.rules import DEFAULTS, Rule
from infra.monitoring.samples import Batch, Sample, write
from infra.runtime import Runtime, open_runtime
from infra.settings import SettingsError
from projections.read import wait_for
from tests.integration.monitoring.watched import events, told
from workers.alerting import Alerting
from workers.main import run_scheduler, run_worker

CPU = next(rule for rule in DEFAULTS if rule.name == "cpu")
AT_ONCE = msgspec.structs.replace(CPU, for_s=0, keep_s=0)


async def sampled(runtime: Runtime, value: float, *, ago_s: float = 0.0) -> None:
    async with runtime.db.connection() as db:
        await make(db, runtime.now())
        at = runtime.now() - timedelta(seconds=ago_s)
        sample = Sample("formula_process_cpu_share", "", value)
        await write(db, uuid4(), Batch(at, "api", [sample]))


async def emptied(runtime: Runtime) -> None:
    async with runtime.db.connection() as db:
        await db.execute("DELETE FROM formula_samples")


def later(runtime: Runtime, seconds: float) -> Runtime:
    """With a clock that is ahead."""

    class Ahead(type(runtime.clock)):
        def now(self) -> Any:
            return runtime.clock.now() + timedelta(seconds=seconds)

    return msgspec.structs.replace(runtime, clock=Ahead())


async def test_whoever_leads_it_is_told_once(projected: Runtime) -> None:
    await sampled(projected, 0.9)
    async with open_runtime(projected.settings) as other:
        ticks = [Alerting(one, [AT_ONCE]) for one in (projected, other, projected)]
        await asyncio.gather(*(tick(0.0) for tick in ticks))
        for tick in ticks:
            await tick(0.0)
    assert await told(projected, "cpu") == ["pending", "fired"]


async def test_without_samples_nothing_fires_and_what_fired_recovers(projected: Runtime) -> None:
    tick = Alerting(projected, [AT_ONCE])
    await tick(0.0)
    assert await told(projected, "cpu") == []
    await sampled(projected, 0.9)
    await tick(0.0)
    await emptied(projected)
    await tick(0.0)
    assert await told(projected, "cpu") == ["pending", "fired", "recovering", "resolved"]


async def test_who_was_away_fires_nothing_at_once(projected: Runtime) -> None:
    """The load of a restart is no reason: it must hold before anybody is told."""
    await sampled(projected, 0.9)
    await Alerting(projected, [CPU])(0.0)
    back = later(projected, 600)
    await sampled(back, 0.9)
    await Alerting(back, [CPU])(0.0)
    found = await events(projected, "cpu")
    assert [type(one) for one in found] == [AlertPending, AlertPending]
    assert isinstance(found[-1], AlertPending)
    assert found[-1].anew
    after = later(projected, 661)
    await sampled(after, 0.9)
    await Alerting(after, [CPU])(0.0)
    assert (await told(projected, "cpu"))[2:] == ["fired"]


async def test_the_alert_of_a_rule_that_is_gone_ends(projected: Runtime) -> None:
    await sampled(projected, 0.9)
    await Alerting(projected, [AT_ONCE])(0.0)
    await wait_for(projected, "queries", await projected.store.head())
    await Alerting(projected, [])(0.0)
    last = (await events(projected, "cpu"))[-1]
    assert isinstance(last, AlertResolved)
    assert last.withdrawn


async def test_all_rules_are_one_question(
    projected: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing changes, that is all there is."""
    tick = Alerting(projected, DEFAULTS)
    await tick(0.0)
    asked: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def noting(self: Any, query: Any, *more: Any, **options: Any) -> Any:
        asked.append(str(query))
        return await execute(self, query, *more, **options)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", noting)
    await tick(0.0)
    assert len([one for one in asked if "formula_samples" in one]) == 1


async def test_windows_are_as_long_as_samples_are_apart(projected: Runtime) -> None:
    seldom = msgspec.structs.replace(projected.settings, metrics_every_s=60)
    runtime = msgspec.structs.replace(projected, settings=seldom)
    await sampled(runtime, 0.9, ago_s=55)
    await Alerting(runtime, [AT_ONCE])(0.0)
    assert await told(runtime, "cpu") == ["pending", "fired"]


@pytest.mark.parametrize(
    ("changes", "told_"),
    [
        ({"alert_rules": "no-such.toml"}, "ALERT_RULES"),
        ({"alert_webhook_url": "https://x.example/"}, "ALERT_WEBHOOK_SECRET"),
    ],
)
async def test_processes_refuse_what_makes_no_sense(
    runtime: Runtime, changes: dict[str, str], told_: str, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(runtime.settings, formula_data=str(tmp_path), **changes)
    start = run_scheduler if "alert_rules" in changes else run_worker
    with pytest.raises(SettingsError, match=told_):
        await start(settings)


def test_a_rule_is_a_watch() -> None:
    rule: Rule = CPU
    assert (rule.watch.rule, rule.watch.warning, rule.watch.for_s) == ("cpu", 0.7, 60.0)
