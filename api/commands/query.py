"""formula query: a question in SQL to the analysts' views."""

import asyncio
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from api.commands.asking import AsUser, asking, caller
from api.commands.output import JsonFlag, err, fail, out, running_settings
from domain.access import Action
from domain.errors import Refused
from infra.analytics import Rows, Value, run, server
from infra.analytics_files import Format, Written, write
from infra.settings import Settings
from projections.analytics_access import EVERYTHING, viewer

FORMATS = ("table", *Format)


class Asked(msgspec.Struct, frozen=True):
    sql: str
    parameters: dict[str, Value]
    limit: int
    form: Format | None  # None: a table for people


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT; :name stands for a parameter.")],
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter's value.")
    ] = None,
    format_: Annotated[str, typer.Option("--format", help="table, json, csv or parquet.")] = (
        "table"
    ),
    output: Annotated[Path | None, typer.Option(help="A file to write to.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Rows at the most.")] = 1_000,
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Ask the views of the schema analytics; people, tasks, throughput, workload, …

    What there is: GET /api/v1/analytics/views, or the README.

    Example: [bold]formula query "SELECT * FROM burndown WHERE project = :p" --param p=0190…[/]
    """
    name = "json" if json else format_
    if name not in FORMATS:
        fail(f"--format is one of {', '.join(FORMATS)}, not {name}")
    form = None if name == "table" else Format(name)
    if form is Format.PARQUET and output is None and sys.stdout.isatty():
        fail("Parquet is no text: name a file with --output, or send it on with |")
    asked = Asked(sql, _parameters(param or []), limit, form)
    try:
        with _opened(output) as file:
            written = asyncio.run(_query(running_settings(), as_user, asked, file))
    except Refused as refused:  # with what Postgres says of the query
        fail(": ".join([refused.code, *(str(value) for value in refused.detail.values())]))
    if written.truncated:
        err.print(f"only the first {written.rows} rows: more with --limit", style="yellow")


@contextmanager
def _opened(path: Path | None) -> Generator[BinaryIO]:
    """Where the answer goes; a file is there once it is whole."""
    if path is None:
        yield sys.stdout.buffer
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _parameters(given: list[str]) -> dict[str, Value]:
    """Text each: Postgres takes it for what its place in the query needs."""
    parameters: dict[str, Value] = {}
    for one in given:
        name, separator, value = one.partition("=")
        if not separator or not name:
            fail(f"--param takes NAME=VALUE, not {one}")
        parameters[name] = value
    return parameters


async def _query(settings: Settings, as_user: str | None, asked: Asked, file: BinaryIO) -> Written:
    async with asking(settings, as_user, Action.ANALYTICS_QUERY) as runtime:
        seen = EVERYTHING if as_user is None else viewer((await caller(runtime, as_user)).who)
        url = await server(runtime)
    async with run(url, seen, asked.sql, asked.parameters, asked.limit + 1) as rows:
        if asked.form is None:
            return await _table(rows, asked.limit)
        return await write(file, rows, asked.form, asked.limit)


async def _table(rows: Rows, limit: int) -> Written:
    table = Table(*(column.name for column in rows.columns), box=None, header_style="bold")
    count, truncated = 0, False
    async for chunk in rows.chunks:
        for row in chunk[: limit - count]:
            table.add_row(*(escape(_cell(value)) for value in row))
        truncated = count + len(chunk) > limit
        count = min(count + len(chunk), limit)
    out.print(table)
    return Written(count, truncated)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:,.2f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case dict() | list():
            return msgspec.json.encode(value, enc_hook=str).decode()
        case _:
            return str(value)
