"""Tell ALERT_WEBHOOK_URL what happens to alerts that fire."""

from datetime import datetime

import msgspec

from domain.alert_events import (
    AlertAcknowledged,
    AlertEased,
    AlertEvent,
    AlertFired,
    AlertResolved,
    AlertState,
    AlertWorsened,
    Severity,
)
from domain.errors import NotFound
from domain.kernel import Recorded
from domain.silence import SILENCE, SILENCES_STREAM
from infra.webhooks import deliver
from projections.alerts import AlertRow, get_alert, named, severity_of
from projections.read import reading
from workers.model import NOTIFICATIONS, Args, Context, Job
from workers.notices import event_at

EVENTS = (AlertFired, AlertWorsened, AlertEased, AlertResolved, AlertAcknowledged)


class TellWebhook(Args, frozen=True):
    rule: str


class Told(msgspec.Struct, frozen=True):
    """Whether it was sent; else it is silenced, or nobody is to be told."""

    sent: bool


class Delivery(msgspec.Struct, frozen=True):
    """The JSON that is sent; `id` is the same when it is sent again."""

    id: str
    event: str
    rule: str
    group: str
    about: str
    unit: str
    severity: Severity | None
    value: float | None
    threshold: float | None
    note: str
    at: datetime
    state: AlertState  # as it stands now


def react(recorded: Recorded[AlertEvent]) -> list[TellWebhook]:
    return [TellWebhook(recorded.event.rule)]


async def run(context: Context, args: TellWebhook) -> Told:
    runtime = context.runtime
    event = (await event_at(runtime, context.position)).event
    if not isinstance(event, EVENTS):
        raise TypeError(f"nothing to tell: {event!r}")
    async with reading(runtime, min_position=context.position) as db:
        alert = await get_alert(db, args.rule)
    if alert is None:
        raise NotFound("alert.not_found", rule=args.rule)
    severity = severity_of(event) or alert.severity or Severity.WARNING
    silences = (await runtime.load(SILENCE, SILENCES_STREAM)).state
    if silences.hold(args.rule, severity, runtime.now()):
        return Told(sent=False)
    body = msgspec.json.encode(_delivery(str(context.job), event, alert, severity))
    return Told(sent=await deliver(runtime.settings, str(context.job), body, runtime.now()))


def _delivery(name: str, event: AlertEvent, alert: AlertRow, severity: Severity) -> Delivery:
    return Delivery(
        id=name,
        event=named(event),
        rule=alert.rule,
        group=alert.group,
        about=alert.about,
        unit=alert.unit,
        severity=severity,
        value=getattr(event, "value", None),
        threshold=getattr(event, "threshold", None),
        note=getattr(event, "note", ""),
        at=event.at,
        state=alert.state,
    )


JOB = Job("tell_webhook", NOTIFICATIONS, TellWebhook, run, EVENTS, react, timeout_s=30.0)
