"""The tick that holds what was measured against the rules: what changes is an event.

The scheduler that leads does it; that it does, the worker that leads looks after.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec
import structlog

from domain.alert import ALERT, AlertCommand, Observe, WithdrawAlert, alert_stream
from domain.alert_events import AlertFired, AlertResolved, AlertWorsened, Watch
from domain.registry import tag_of
from infra.eventstore.types import Conflict
from infra.monitoring.history import Query, windows
from infra.monitoring.rules import OVERSEEN, Rule, load_rules
from infra.runtime import SYSTEM, Runtime
from projections.alerts import going_on
from projections.read import reading

LEAST = 2  # samples of each process in a window, however seldom they are taken
PATIENCE = 3  # ticks: who was away for longer does not know what was meanwhile

log = structlog.get_logger()


class Alerting:
    """A tick of the scheduler. What was told is in the log: the next leader knows of it."""

    def __init__(self, runtime: Runtime, rules: Sequence[Rule]) -> None:
        self._runtime = runtime
        self._rules = rules
        self._every_s = runtime.settings.metrics_every_s
        self._queries = [_wide(rule.query, LEAST * self._every_s) for rule in rules]
        self._withdrawn = False

    async def __call__(self, now: float) -> None:
        await self.look(now)
        if not self._withdrawn:
            await self._withdraw(self._runtime.now())
            self._withdrawn = True

    async def look(self, _now: float) -> None:
        """At these rules; there may be others."""
        now = self._runtime.now()
        async with self._runtime.db.connection() as db:
            values = await windows(db, self._queries, now)
        looks = zip(self._rules, values, strict=True)
        await asyncio.gather(*(self._observe(rule.watch, value, now) for rule, value in looks))

    async def _observe(self, watch: Watch, value: float | None, now: datetime) -> None:
        patience_s = float(PATIENCE * self._every_s)
        await self._do(watch.rule, Observe(watch=watch, value=value, at=now, patience_s=patience_s))

    async def _withdraw(self, now: datetime) -> None:
        """Rules come and go with the processes that read them."""
        known = {rule.name for rule in self._rules}
        async with reading(self._runtime) as db:
            gone = [rule for rule in await going_on(db) if rule not in known]
        for rule in gone:
            await self._do(rule, WithdrawAlert(rule=rule, at=now))

    async def _do(self, rule: str, command: AlertCommand) -> None:
        stream = alert_stream(rule)
        if not ALERT.decide(command, (await self._runtime.load(ALERT, stream)).state):
            return
        try:
            outcome = await self._runtime.execute(SYSTEM, ALERT, stream, command)
        except Conflict as error:  # looked at again in a moment
            log.debug("alert_not_noted", rule=rule, error=repr(error))
            return
        for event in outcome.events:
            if isinstance(event, AlertFired | AlertWorsened):
                log.warning("alert", rule=rule, what=tag_of(type(event)), value=event.value)
            elif isinstance(event, AlertResolved):
                log.info("alert", rule=rule, what=tag_of(type(event)), value=event.value)


def overseeing(runtime: Runtime, leads: Callable[[], bool]) -> Callable[[float], Awaitable[None]]:
    """A tick of every worker, which acts where it `leads`. Raises SettingsError."""
    rules = [rule for rule in load_rules(runtime.settings) if rule.name in OVERSEEN]
    alerting = Alerting(runtime, rules)

    async def look(now: float) -> None:
        if leads():
            await alerting.look(now)

    return look


def _wide(query: Query, least_s: float) -> Query:
    return msgspec.structs.replace(query, over_s=max(query.over_s, least_s))
