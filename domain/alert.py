"""Alert: how a rule's figure stands against its thresholds. Events tell only what changed."""

from datetime import datetime
from math import isfinite
from typing import TypeAlias, assert_never
from uuid import UUID, uuid5

import msgspec

from domain.alert_events import (
    AlertAcknowledged,
    AlertCancelled,
    AlertEased,
    AlertEvent,
    AlertFired,
    AlertPending,
    AlertRecovering,
    AlertRelapsed,
    AlertResolved,
    AlertState,
    AlertWorsened,
    Severity,
    Watch,
)
from domain.errors import WrongState
from domain.kernel import Command, Decider
from domain.text import checked

MAX_NAME = 60  # characters, of a rule, a group, a unit
MAX_ABOUT = 300  # characters
MAX_NOTE = 500  # characters
SPACE = UUID("a3f0b0de-3f4a-5c51-9a9e-6f2f1b7f0c11")


class Observe(Command, frozen=True, kw_only=True, tag="observe_alert"):
    """`patience_s`: what is due for longer than that was not looked at, and begins anew."""

    watch: Watch
    value: float | None
    at: datetime
    patience_s: float = 30.0


class WithdrawAlert(Command, frozen=True, kw_only=True, tag="withdraw_alert"):
    rule: str
    at: datetime


class AcknowledgeAlert(Command, frozen=True, kw_only=True, tag="acknowledge_alert"):
    rule: str
    note: str = ""
    at: datetime


AlertCommand: TypeAlias = Observe | WithdrawAlert | AcknowledgeAlert


class Alert(msgspec.Struct, frozen=True):
    """Since when the value is at or above, and below, what counts; None: it is not."""

    fired: Severity | None = None
    warning_since: datetime | None = None
    critical_since: datetime | None = None
    easing_since: datetime | None = None  # below what keeps it critical
    calm_since: datetime | None = None  # below what keeps it firing at all
    note: str | None = None  # of who acknowledged it

    @property
    def pending(self) -> Severity | None:
        if self.critical_since is not None:
            return Severity.CRITICAL
        return Severity.WARNING if self.warning_since is not None else None

    @property
    def state(self) -> AlertState:
        if self.fired is None:
            return AlertState.PENDING if self.pending else AlertState.RESOLVED
        return AlertState.RECOVERING if self.calm_since else AlertState.FIRING


def alert_stream(rule: str) -> UUID:
    return uuid5(SPACE, rule)


def rank(severity: Severity | None) -> int:
    return 0 if severity is None else 1 + (severity is Severity.CRITICAL)


def decide(command: AlertCommand, alert: Alert) -> list[AlertEvent]:
    match command:
        case Observe():
            return _observe(command, alert)
        case WithdrawAlert(rule=rule, at=at):
            return _withdraw(checked(rule, "alert.bad_rule", MAX_NAME), at, alert)
        case AcknowledgeAlert(rule=rule, at=at):
            rule = checked(rule, "alert.bad_rule", MAX_NAME)
            note = checked(command.note, "alert.bad_note", MAX_NOTE, least=0)
            if alert.fired is None:
                raise WrongState("alert.not_firing", rule=rule)
            same = alert.note == note
            return [] if same else [AlertAcknowledged(rule=rule, note=note, at=at)]
        case _:
            assert_never(command)


def _withdraw(rule: str, at: datetime, alert: Alert) -> list[AlertEvent]:
    if alert.fired is not None:
        return [AlertResolved(rule=rule, severity=alert.fired, value=None, at=at, withdrawn=True)]
    if alert.pending is not None:
        return [
            AlertCancelled(
                rule=rule, severity=alert.pending, value=None, state=AlertState.RESOLVED, at=at
            )
        ]
    return []


def _observe(command: Observe, alert: Alert) -> list[AlertEvent]:
    watch = command.watch
    checked(watch.rule, "alert.bad_rule", MAX_NAME)
    for text in (watch.group, watch.unit):
        checked(text, "alert.bad_rule", MAX_NAME, least=0)
    checked(watch.about, "alert.bad_about", MAX_ABOUT, least=0)
    if command.value is not None and not isfinite(command.value):
        command = msgspec.structs.replace(command, value=None)
    events: list[AlertEvent] = []
    for step in (_drop, _rise, _fire, _fall, _end):
        event = step(command, alert)
        if event is not None:
            events.append(event)
            alert = evolve(alert, event)
    return events


def _drop(command: Observe, alert: Alert) -> AlertEvent | None:
    """What is pending must hold all the time."""
    watch, pending = command.watch, alert.pending
    reached = watch.level(command.value)
    if pending is None or rank(reached) >= rank(pending):
        return None
    left = reached if rank(reached) > rank(alert.fired) else None
    quiet = AlertState.PENDING if left else AlertState.RESOLVED
    return AlertCancelled(
        rule=watch.rule,
        severity=pending,
        left=left,
        value=command.value,
        state=quiet if alert.fired is None else alert.state,
        at=command.at,
    )


def _rise(command: Observe, alert: Alert) -> AlertEvent | None:
    watch = command.watch
    reached = watch.level(command.value)
    known = max(rank(alert.pending), rank(alert.fired))
    late = watch.for_s + command.patience_s
    missed = any(
        _for(since, command.at) > late for since in (alert.warning_since, alert.critical_since)
    )
    if reached is None or (rank(reached) <= known and not missed):
        return None
    return AlertPending(
        rule=watch.rule,
        group=watch.group,
        about=watch.about,
        unit=watch.unit,
        severity=reached,
        value=command.value,
        threshold=watch.threshold(reached),
        state=AlertState.PENDING if alert.fired is None else alert.state,
        anew=missed,
        at=command.at,
    )


def _fire(command: Observe, alert: Alert) -> AlertEvent | None:
    watch, value, at = command.watch, command.value, command.at
    critical = _for(alert.critical_since, at) >= watch.for_s
    if not critical and _for(alert.warning_since, at) < watch.for_s:
        return None
    severity = Severity.CRITICAL if critical else Severity.WARNING
    threshold, rule, group = watch.threshold(severity), watch.rule, watch.group
    if alert.fired is not None:
        return AlertWorsened(rule=rule, group=group, value=value, threshold=threshold, at=at)
    return AlertFired(
        rule=rule,
        group=group,
        severity=severity,
        pending=alert.pending if rank(alert.pending) > rank(severity) else None,
        value=value,
        threshold=threshold,
        at=at,
    )


def _fall(command: Observe, alert: Alert) -> AlertEvent | None:
    watch, value, at, fired = command.watch, command.value, command.at, alert.fired
    if fired is None:
        return None
    left = watch.level(value, watch.recover_at)
    if rank(left) >= rank(fired):
        if alert.easing_since is None and alert.calm_since is None:
            return None
        return AlertRelapsed(rule=watch.rule, severity=fired, value=value, at=at)
    since = alert.calm_since if left is None else alert.easing_since
    known = since is not None and (left is None or alert.calm_since is None)
    if known and _for(since, at) <= watch.keep_s + command.patience_s:
        return None
    return AlertRecovering(
        rule=watch.rule,
        severity=fired,
        left=left,
        value=value,
        state=AlertState.FIRING if left else AlertState.RECOVERING,
        at=at,
    )


def _end(command: Observe, alert: Alert) -> AlertEvent | None:
    watch, value, at, fired = command.watch, command.value, command.at, alert.fired
    if fired is None:
        return None
    if _for(alert.calm_since, at) >= watch.keep_s:
        return AlertResolved(rule=watch.rule, severity=fired, value=value, at=at)
    if fired is Severity.CRITICAL and _for(alert.easing_since, at) >= watch.keep_s:
        state = AlertState.RECOVERING if alert.calm_since else AlertState.FIRING
        return AlertEased(rule=watch.rule, value=value, state=state, at=at)
    return None


def _for(since: datetime | None, at: datetime) -> float:
    """Seconds; below nought: not at all."""
    return -1.0 if since is None else (at - since).total_seconds()


def evolve(alert: Alert, event: AlertEvent) -> Alert:
    match event:
        case AlertPending():
            return _pending(alert, event)
        case AlertCancelled(left=left):
            kept = alert.warning_since if left else None
            return msgspec.structs.replace(alert, warning_since=kept, critical_since=None)
        case AlertFired(severity=severity):
            still = alert.critical_since if severity is Severity.WARNING else None
            return Alert(fired=severity, critical_since=still)
        case AlertWorsened():
            return Alert(fired=Severity.CRITICAL, note=alert.note)
        case AlertRecovering(left=left, at=at):
            return _recovering(alert, left, at)
        case AlertRelapsed():
            return msgspec.structs.replace(alert, easing_since=None, calm_since=None)
        case AlertEased():
            return msgspec.structs.replace(alert, fired=Severity.WARNING, easing_since=None)
        case AlertResolved():
            return Alert()
        case AlertAcknowledged(note=note):
            return msgspec.structs.replace(alert, note=note)
        case _:
            assert_never(event)


def _pending(alert: Alert, event: AlertPending) -> Alert:
    """What was pending for less goes on, unless all begins anew."""
    critical = event.at if event.severity is Severity.CRITICAL else None
    warning = None
    if alert.fired is None:
        warning = event.at if event.anew else alert.warning_since or event.at
    return msgspec.structs.replace(alert, warning_since=warning, critical_since=critical)


def _recovering(alert: Alert, left: Severity | None, at: datetime) -> Alert:
    """Easing goes on while it gets calm; the same once more begins anew."""
    calm = at if left is None else None
    same = (calm is None) == (alert.calm_since is None)
    easing = at if same else alert.easing_since or at
    return msgspec.structs.replace(alert, easing_since=easing, calm_since=calm)


ALERT = Decider(
    name="alert",
    initial=Alert(),
    decide=decide,
    evolve=evolve,
    events=(
        AlertPending,
        AlertCancelled,
        AlertFired,
        AlertWorsened,
        AlertRecovering,
        AlertRelapsed,
        AlertEased,
        AlertResolved,
        AlertAcknowledged,
    ),
)
