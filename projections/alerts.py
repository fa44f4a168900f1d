"""alerts: how each rule's alert stands, and all that happened to it, newest first."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import LiteralString, assert_never
from uuid import UUID

import msgspec

from domain.alert import ALERT
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
)
from domain.kernel import Recorded
from infra.db import Connection
from projections.filters import given
from projections.frames import public_type
from projections.model import Insert, Projection, Row, Rows, Table, Write
from projections.rows import NEWEST_POSITION, fetch_all, fetch_one

ALERTS = Table(
    name="alerts",
    columns={
        "rule": "text NOT NULL",
        "grouped": "text NOT NULL",
        "about": "text NOT NULL",
        "unit": "text NOT NULL",
        "state": "text NOT NULL",
        "severity": "text",
        "pending": "text",
        "value": "double precision",
        "threshold": "double precision",
        "since": "timestamptz NOT NULL",
        "severity_since": "timestamptz",
        "note": "text NOT NULL",
        "acknowledged_by": "uuid",
        "acknowledged_at": "timestamptz",
        "position": "bigint NOT NULL",
    },
    key=("rule",),
)
HISTORY = Table(
    name="alert_history",
    columns={
        "rule": "text NOT NULL",
        "position": "bigint NOT NULL",
        "event": "text NOT NULL",
        "severity": "text",
        "value": "double precision",
        "threshold": "double precision",
        "note": "text NOT NULL",
        "by": "uuid",
        "at": "timestamptz NOT NULL",
    },
    key=("rule", "position"),
)


class AlertRow(msgspec.Struct, frozen=True):
    """`severity`: as which it fires, `pending`: what it may come to; `value` as it was when
    something changed last, `since` when the state did.
    """

    rule: str
    group: str
    about: str
    unit: str
    state: AlertState
    severity: Severity | None
    pending: Severity | None
    value: float | None
    threshold: float | None
    since: datetime
    severity_since: datetime | None
    note: str
    acknowledged_by: UUID | None
    acknowledged_at: datetime | None
    position: int


class AlertMoment(msgspec.Struct, frozen=True):
    """Something that happened to an alert; `by`: who did it, None: the system."""

    position: int
    event: str
    severity: Severity | None
    value: float | None
    threshold: float | None
    note: str
    by: UUID | None
    at: datetime


NOBODY: Row = {"note": "", "acknowledged_by": None, "acknowledged_at": None}


def project(batch: Sequence[Recorded[AlertEvent]]) -> list[Write]:
    rows = Rows(ALERTS)
    for recorded in batch:
        rows.put(rule=recorded.event.rule, position=recorded.position, **_changes(recorded))
    return [Insert(HISTORY, [_moment(recorded) for recorded in batch]), *rows.writes()]


def _changes(recorded: Recorded[AlertEvent]) -> Row:
    event = recorded.event
    found: Row = {"value": getattr(event, "value", None)}
    match event:
        case AlertPending(state=AlertState.PENDING):
            return found | _fresh(event)
        case AlertPending(severity=severity, threshold=threshold):
            return found | {"pending": severity.value, "threshold": threshold}
        case AlertCancelled(left=left, state=state):
            since: Row = {"since": event.at} if state is AlertState.RESOLVED else {}
            return found | since | {"state": state.value, "pending": left}
        case AlertFired() | AlertWorsened():
            return found | _firing(event)
        case AlertRecovering(state=state, at=at):
            return found | {"state": state.value, "since": at}
        case AlertRelapsed(at=at):
            return found | {"state": AlertState.FIRING.value, "since": at}
        case AlertEased(state=state, at=at):
            eased: Row = {"severity": Severity.WARNING.value, "severity_since": at}
            return found | eased | {"state": state.value}
        case AlertResolved(at=at):
            over: Row = {"severity": None, "severity_since": None, "pending": None}
            return found | over | NOBODY | {"state": AlertState.RESOLVED.value, "since": at}
        case AlertAcknowledged(note=note, at=at):
            who = recorded.meta.actor
            return {"note": note, "acknowledged_by": who, "acknowledged_at": at}
        case _:
            assert_never(event)


def _fresh(event: AlertPending) -> Row:
    return {
        "grouped": event.group,
        "about": event.about,
        "unit": event.unit,
        "state": event.state.value,
        "severity": None,
        "severity_since": None,
        "pending": event.severity.value,
        "threshold": event.threshold,
        "since": event.at,
        **NOBODY,
    }


def _firing(event: AlertFired | AlertWorsened) -> Row:
    fired = isinstance(event, AlertFired)
    severity = event.severity if fired else Severity.CRITICAL
    row: Row = {
        "severity": severity.value,
        "severity_since": event.at,
        "pending": event.pending if fired else None,
        "threshold": event.threshold,
    }
    return row | ({"state": AlertState.FIRING.value, "since": event.at} if fired else {})


def severity_of(event: AlertEvent) -> Severity | None:
    """What the event is about; None: whatever it is."""
    match event:
        case AlertWorsened():
            return Severity.CRITICAL
        case AlertEased():
            return Severity.WARNING
        case AlertAcknowledged():
            return None
        case _:
            return event.severity


def named(event: AlertEvent) -> str:
    """As people know it: fired, resolved, …"""
    return public_type(type(event)).removeprefix("alert.")


def _moment(recorded: Recorded[AlertEvent]) -> Row:
    event = recorded.event
    return {
        "rule": event.rule,
        "position": recorded.position,
        "event": named(event),
        "severity": severity_of(event),
        "value": getattr(event, "value", None),
        "threshold": getattr(event, "threshold", None),
        "note": getattr(event, "note", ""),
        "by": recorded.meta.actor,
        "at": event.at,
    }


SELECT: LiteralString = (
    "SELECT rule, grouped AS group, about, unit, state, severity, pending, value, threshold,"
    " since, severity_since, note, acknowledged_by, acknowledged_at, position FROM alerts"
)
FILTERS: Mapping[str, LiteralString] = {
    "state": "state = %(state)s",
    "severity": "severity = %(severity)s",
    "group": "grouped = %(group)s",
}


async def list_alerts(
    db: Connection,
    *,
    state: AlertState | None = None,
    severity: Severity | None = None,
    group: str | None = None,
    after: str | None = None,
    limit: int = 50,
) -> list[AlertRow]:
    """By rule, which is also what to go on `after`; those that were never pending are in none."""
    values: dict[str, object] = {
        "state": state,
        "severity": severity,
        "group": group,
        "after": after or "",
        "limit": limit,
    }
    return await fetch_all(
        db,
        AlertRow,
        f"{SELECT} WHERE rule > %(after)s{given(FILTERS, values)} ORDER BY rule LIMIT %(limit)s",
        values,
    )


async def get_alert(db: Connection, rule: str) -> AlertRow | None:
    return await fetch_one(db, AlertRow, f"{SELECT} WHERE rule = %(rule)s", {"rule": rule})


async def going_on(db: Connection) -> list[str]:
    """The rules whose alerts are not resolved."""
    cursor = await db.execute("SELECT rule FROM alerts WHERE state <> 'resolved' ORDER BY rule")
    return [str(row[0]) for row in await cursor.fetchall()]


async def history_of(
    db: Connection, rule: str, *, after: int | None = None, limit: int = 50
) -> list[AlertMoment]:
    """Newest first, by position."""
    return await fetch_all(
        db,
        AlertMoment,
        "SELECT position, event, severity, value, threshold, note, by, at FROM alert_history"
        " WHERE rule = %(rule)s AND position < %(after)s ORDER BY position DESC LIMIT %(limit)s",
        {"rule": rule, "after": NEWEST_POSITION if after is None else after, "limit": limit},
    )


PROJECTION = Projection(
    name="alerts",
    group="queries",
    version=1,
    tables=(ALERTS, HISTORY),
    events=ALERT.events,
    project=project,
)
