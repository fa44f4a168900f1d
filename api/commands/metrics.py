"""What the processes measure of themselves, from the database: no process need run."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from api.commands.output import JsonFlag, fail, out, print_json, running_settings
from domain.errors import Invalid
from infra.db import Connection, connect, seconds
from infra.monitoring.figures import Figures
from infra.monitoring.history import Series, current
from infra.monitoring.trends import Period, Trend, parsed, trend, wanted
from infra.settings import load_settings

FIGURES = ("avg", "max", "count", "per_s", "p50", "p95", "p99")

app = typer.Typer(invoke_without_command=True)


@app.callback()
def metrics(context: typer.Context, json: JsonFlag = False) -> None:
    """See what the processes measured in the last minute, of each role together.

    Example: [bold]formula metrics --json | jq '.[] | select(.role == "cluster")'[/]
    """
    if context.invoked_subcommand is not None:
        return
    found = asyncio.run(_current())
    if json:
        print_json(found)
    else:
        for one in found:
            out.print(_line(one), soft_wrap=True, markup=False)


@app.command()
def trends(
    metric: Annotated[str, typer.Argument(help="Its name, as formula metrics prints it.")],
    since: Annotated[
        str | None, typer.Option("--from", help="An ISO time with its zone; an hour ago.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="The same; now.")] = None,
    step: Annotated[str | None, typer.Option(help="As in 10s, 5m, 1h, 1d.")] = None,
    role: Annotated[str, typer.Option(help="Only processes of this role.")] = "",
    labels: Annotated[str, typer.Option(help="Only with these, as in status=5xx.")] = "",
    json: JsonFlag = False,
) -> None:
    """See how a metric went, step by step, and beside the period before.

    Example: [bold]formula metrics trends formula_http_seconds --labels status=5xx --step 5m[/]
    """
    try:
        found = asyncio.run(_trend(metric, _time(since), _time(until), step, role, labels))
    except Invalid as refused:
        details = ", ".join(f"{name}: {value}" for name, value in refused.detail.items())
        fail(f"{refused.code} ({details})" if details else refused.code)
    if json:
        print_json(found)
    else:
        out.print(_steps(found))


async def _current() -> list[Series]:
    async with await _database() as db:
        return await current(db, await _clock(db))


async def _trend(
    metric: str,
    since: datetime | None,
    until: datetime | None,
    step: str | None,
    role: str,
    labels: str,
) -> Trend:
    async with await _database() as db:
        now = await _clock(db)
        asked = wanted(metric, since, until, parsed(step), now)
        return await trend(db, msgspec.structs.replace(asked, role=role, labels=labels), now)


async def _database() -> Connection:
    return await connect(load_settings().database_url or running_settings().database_url)


async def _clock(db: Connection) -> datetime:
    return datetime.fromtimestamp(await seconds(db), UTC)


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError as error:
        fail(error)


def _cells(figures: Figures | None) -> list[str]:
    values = [getattr(figures, name, None) for name in FIGURES]
    return ["" if value is None else f"{value:.4g}" for value in values]


def _line(one: Series) -> str:
    labels = ",".join(f"{name}={value}" for name, value in one.labels.items())
    named = zip(FIGURES, _cells(one.figures), strict=True)
    told = "  ".join(f"{name} {value}" for name, value in named if value)
    return f"{one.role:<10} {one.metric}{{{labels}}}  {told}"


def _steps(found: Trend) -> Table:
    table = Table("At", box=None, header_style="bold", pad_edge=False)
    for name in FIGURES:
        table.add_column(name, justify="right", no_wrap=True)
    for point in found.current.points:
        table.add_row(f"{point.at:%Y-%m-%d %H:%M:%S}", *_cells(point.figures))
    table.add_section()
    table.add_row("all of it", *_cells(found.current.total))
    table.add_row(f"before, {_span(found.previous)}", *_cells(found.previous.total))
    return table


def _span(period: Period) -> str:
    return f"{period.start:%Y-%m-%d %H:%M} to {period.end:%Y-%m-%d %H:%M}"
