"""formula alerts: how the alerts stand, acknowledging and silencing them, the rules."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, TypeVar
from uuid import UUID

import typer

from api.alerts import Shown
from api.commands.asking import AsUser, caller, connected
from api.commands.output import JsonFlag, columns, fail, out, print_json, running_settings
from api.paging import Page
from api.rights import require
from domain.access import Action
from domain.alert import ALERT, AcknowledgeAlert, alert_stream
from domain.alert_events import AlertState, Severity
from domain.errors import NotFound
from domain.silence import SILENCE, SILENCES_STREAM, EndSilence, PlaceSilence
from infra.monitoring.exported import grafana, prometheus
from infra.monitoring.rules import load_rules
from infra.runtime import Origin, Runtime
from infra.settings import load_settings
from projections.alerts import get_alert, history_of, list_alerts
from projections.read import reading
from projections.silences import list_silences

HERE = "formula alerts"  # where the command line's orders come from
MOST = 1_000
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

T = TypeVar("T")

app = typer.Typer(help="Look after alerts.", no_args_is_help=True)

RuleName = Annotated[str, typer.Argument(metavar="RULE", help="See `formula alerts rules`.")]


class For(StrEnum):
    PROMETHEUS = "prometheus"
    GRAFANA = "grafana"


@asynccontextmanager
async def _asked(as_user: str | None, action: Action) -> AsyncGenerator[tuple[Runtime, Origin]]:
    async with connected(running_settings()) as runtime:
        who = await caller(runtime, as_user) if as_user else None
        if who is not None:
            await require(runtime, who, action)
        yield runtime, Origin(actor=who.id if who else None, user_agent=HERE)


def _run(as_user: str | None, action: Action, work: Callable[[Runtime, Origin], Awaitable[T]]) -> T:
    async def run() -> T:
        async with _asked(as_user, action) as (runtime, origin):
            return await work(runtime, origin)

    return asyncio.run(run())


@app.command("list")
def list_all(
    state: Annotated[AlertState | None, typer.Option(help="That are so.")] = None,
    severity: Annotated[Severity | None, typer.Option(help="That fire as this.")] = None,
    group: Annotated[str | None, typer.Option(help="Of this group.")] = None,
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Print how each alert stands that was ever pending.

    Example: [bold]formula alerts list --state firing[/]
    """

    async def work(runtime: Runtime, _origin: Origin) -> list[tuple[str, ...]]:
        async with reading(runtime) as db:
            found = await list_alerts(db, state=state, severity=severity, group=group, limit=MOST)
        if json:
            for one in found:
                print_json(one)
        return [
            (
                one.rule,
                one.state,
                one.severity or one.pending or "",
                _number(one.value),
                _number(one.threshold),
                _at(one.since),
                f"acknowledged {one.note}" if one.acknowledged_at else "",
            )
            for one in found
        ]

    lines = _run(as_user, Action.ALERTS_READ, work)
    if not json:
        titles = ("RULE", "STATE", "SEVERITY", "VALUE", "THRESHOLD", "SINCE", "")
        out.print(columns([titles, *lines]), soft_wrap=True)


@app.command()
def show(rule: RuleName, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Print an alert and what happened to it, newest first."""

    async def work(runtime: Runtime, _origin: Origin) -> Shown:
        async with reading(runtime) as db:
            alert = await get_alert(db, rule)
            if alert is None:
                raise NotFound("alert.not_found", rule=rule)
            return Shown(alert, Page(await history_of(db, rule, limit=MOST)))

    found = _run(as_user, Action.ALERTS_READ, work)
    if json:
        print_json(found)
        return
    alert = found.alert
    out.print(f"{alert.rule}: {alert.state}, {alert.about}", soft_wrap=True, markup=False)
    lines = [
        (_at(one.at), one.event, one.severity or "", _number(one.value), one.note)
        for one in found.history.items
    ]
    out.print(columns([("AT", "EVENT", "SEVERITY", "VALUE", "NOTE"), *lines]), soft_wrap=True)


@app.command()
def ack(
    rule: RuleName,
    note: Annotated[str, typer.Option(help="What is done about it.")] = "",
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Say that you look after an alert that fires, until it is resolved.

    Example: [bold]formula alerts ack disk --note "being extended"[/]
    """

    async def work(runtime: Runtime, origin: Origin) -> None:
        command = AcknowledgeAlert(rule=rule, note=note, at=runtime.now())
        await runtime.execute(origin, ALERT, alert_stream(rule), command)

    _run(as_user, Action.ALERTS_MANAGE, work)
    _told(f"{rule} acknowledged", {"rule": rule}, json=json)


@app.command()
def silence(
    reason: Annotated[str, typer.Option(help="Why.")],
    rule: Annotated[str, typer.Option(help="Only of this rule.")] = "",
    severity: Annotated[Severity | None, typer.Option(help="Only of this severity.")] = None,
    lasting: Annotated[str, typer.Option("--for", help="As in 30m, 2h, 1d.")] = "1h",
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Notify nobody for a while; alerts fire and resolve all the same.

    Example: [bold]formula alerts silence --rule cpu --for 2h --reason "load test"[/]
    """
    seconds = _seconds(lasting)

    async def work(runtime: Runtime, origin: Origin) -> UUID:
        new, now = runtime.new_id(), runtime.now()
        command = PlaceSilence(
            silence=new,
            rule=rule,
            severity=severity,
            reason=reason,
            until=now + timedelta(seconds=seconds),
            at=now,
        )
        await runtime.execute(origin, SILENCE, SILENCES_STREAM, command)
        return new

    new = _run(as_user, Action.ALERTS_MANAGE, work)
    _told(f"{new} placed", {"id": new}, json=json)


@app.command()
def unsilence(
    which: Annotated[
        UUID, typer.Argument(metavar="SILENCE", help="See `formula alerts silences`.")
    ],
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """End a silence before its time."""

    async def work(runtime: Runtime, origin: Origin) -> None:
        command = EndSilence(silence=which, at=runtime.now())
        await runtime.execute(origin, SILENCE, SILENCES_STREAM, command)

    _run(as_user, Action.ALERTS_MANAGE, work)
    _told(f"{which} ended", {"id": which}, json=json)


@app.command()
def silences(as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Print the silences that stand."""

    async def work(runtime: Runtime, _origin: Origin) -> list[tuple[str, ...]]:
        async with reading(runtime) as db:
            found = await list_silences(db, runtime.now(), limit=MOST)
        if json:
            for one in found:
                print_json(one)
        return [
            (str(one.id), one.rule or "all", one.severity or "both", _at(one.until), one.reason)
            for one in found
        ]

    lines = _run(as_user, Action.ALERTS_READ, work)
    if not json:
        titles = ("SILENCE", "RULE", "SEVERITY", "UNTIL", "REASON")
        out.print(columns([titles, *lines]), soft_wrap=True)


@app.command()
def rules(json: JsonFlag = False) -> None:
    """Print the rules, as ALERT_RULES leaves them. Nothing need run."""
    found = load_rules(load_settings())
    if json:
        print_json(found)
        return
    lines = [
        (one.name, one.group, _number(one.warning), _number(one.critical), one.unit,
         f"{one.for_s:g} s", one.about)
        for one in found
    ]  # fmt: skip
    titles = ("RULE", "GROUP", "WARNING", "CRITICAL", "UNIT", "FOR", "ABOUT")
    out.print(columns([titles, *lines]), soft_wrap=True)


@app.command()
def export(target: Annotated[For, typer.Argument(metavar="prometheus|grafana")]) -> None:
    """Print the rules as alert rules for Prometheus, or as a dashboard for Grafana.

    Example: [bold]formula alerts export prometheus > formula.rules.yml[/]
    """
    found = load_rules(load_settings())
    made = prometheus(found) if target is For.PROMETHEUS else grafana(found)
    typer.echo(made, nl=False)


def _told(line: str, value: dict[str, object], *, json: bool) -> None:
    if json:
        print_json(value)
    else:
        out.print(line, soft_wrap=True, markup=False)


def _seconds(text: str) -> int:
    number, unit = text[:-1], UNITS.get(text[-1:])
    if unit is None or not number.isascii() or not number.isdigit():
        fail(f"--for is as in 30m, 2h or 1d, not {text}")
    return int(number) * unit


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _at(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
