"""/realtime/alerts: how the alerts stand, who looks after them, and silences."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.status_codes import HTTP_200_OK
from msgspec import Meta

from api.call import Call, Done, done
from api.paging import Cursor, Limit, Page, from_cursor, page
from domain.access import Action
from domain.alert import ALERT, MAX_NAME, MAX_NOTE, AcknowledgeAlert, alert_stream
from domain.alert_events import AlertState, Severity
from domain.errors import NotFound
from domain.silence import MAX_REASON, SILENCE, SILENCES_STREAM, EndSilence, PlaceSilence
from infra.db import Connection
from infra.runtime import Runtime
from projections.alerts import AlertMoment, AlertRow, get_alert, history_of, list_alerts
from projections.silences import SilenceRow, list_silences

Standing = Annotated[AlertState | None, QueryParameter(name="state", description="that are so")]
Fires = Annotated[Severity | None, QueryParameter(description="that fire as this")]
Group = Annotated[str | None, QueryParameter(max_length=MAX_NAME, description="of this group")]
Over = Annotated[bool, QueryParameter(description="also those that are over")]


class Acknowledge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    note: Annotated[str, Meta(max_length=MAX_NOTE, examples=["disk is being extended"])] = ""


class NewSilence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`rule` empty: of all; `severity` null: of both."""

    reason: Annotated[str, Meta(max_length=MAX_REASON, examples=["load test"])]
    until: Annotated[datetime, Meta(tz=True)]
    rule: Annotated[str, Meta(max_length=MAX_NAME)] = ""
    severity: Severity | None = None


class Shown(msgspec.Struct, frozen=True):
    """An alert and what happened to it, newest first."""

    alert: AlertRow
    history: Page[AlertMoment]


@get("/", opt={"action": Action.ALERTS_READ})
async def list_all(
    db: NamedDependency[Connection],
    standing: Standing = None,
    severity: Fires = None,
    group: Group = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AlertRow]:
    """By rule; those that were never pending are not among them."""
    after = from_cursor(cursor, str)
    found = await list_alerts(
        db, state=standing, severity=severity, group=group, after=after, limit=limit + 1
    )
    return page(found, limit, lambda row: row.rule)


@get("/{rule:str}", opt={"action": Action.ALERTS_READ})
async def show(
    rule: FromPath[str],
    db: NamedDependency[Connection],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Shown:
    """`limit` and `cursor` are of its history."""
    alert = await get_alert(db, rule)
    if alert is None:
        raise NotFound("alert.not_found", rule=rule)
    found = await history_of(db, rule, after=from_cursor(cursor, int), limit=limit + 1)
    return Shown(alert, page(found, limit, lambda row: row.position))


@post("/{rule:str}/acknowledge", status_code=HTTP_200_OK, opt={"action": Action.ALERTS_MANAGE})
async def acknowledge(
    rule: FromPath[str], data: JSONBody[Acknowledge], call: NamedDependency[Call]
) -> Response[Done]:
    """Say that you look after it, until it is resolved: nobody else is mailed meanwhile."""
    command = AcknowledgeAlert(rule=rule, note=data.note, at=call.runtime.now())
    stream = alert_stream(rule)
    return done(await call.execute(ALERT, stream, command), stream)


@get("/silences", opt={"action": Action.ALERTS_READ})
async def list_quiet(
    db: NamedDependency[Connection],
    runtime: NamedDependency[Runtime],
    over: Over = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SilenceRow]:
    """Those that stand, newest first."""
    after = from_cursor(cursor, int)
    found = await list_silences(db, runtime.now(), over=over, after=after, limit=limit + 1)
    return page(found, limit, lambda row: row.position)


@post("/silences", opt={"action": Action.ALERTS_MANAGE})
async def silence(data: JSONBody[NewSilence], call: NamedDependency[Call]) -> Response[Done]:
    """Nobody is mailed and no webhook called meanwhile; alerts fire and resolve all the same."""
    new = call.new_id("silence")
    command = PlaceSilence(
        silence=new,
        rule=data.rule,
        severity=data.severity,
        reason=data.reason,
        until=data.until,
        at=call.runtime.now(),
    )
    return done(await call.execute(SILENCE, SILENCES_STREAM, command), new, created=True)


@delete("/silences/{silence:uuid}", status_code=HTTP_200_OK, opt={"action": Action.ALERTS_MANAGE})
async def end(silence: FromPath[UUID], call: NamedDependency[Call]) -> Response[Done]:
    """Before its time."""
    command = EndSilence(silence=silence, at=call.runtime.now())
    return done(await call.execute(SILENCE, SILENCES_STREAM, command), silence)


alerts = Router(
    "/realtime/alerts",
    route_handlers=[list_all, show, acknowledge, list_quiet, silence, end],
    tags=["operations"],
)
