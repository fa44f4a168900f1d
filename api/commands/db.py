"""formula db: the database, as Postgres's own statistics tell of it."""

import asyncio

import typer
from rich.filesize import decimal
from rich.table import Table

from api.commands.asking import AsUser, asking
from api.commands.output import JsonFlag, out, print_json, running_settings
from domain.access import Action
from projections.index_use import Indexes, IndexUse, index_use

app = typer.Typer(help="Look into the database.", no_args_is_help=True)


@app.callback()
def db() -> None:
    """Look into the database."""


@app.command()
def indexes(json: JsonFlag = False, as_user: AsUser = None) -> None:
    """Print how each index is used, its size, what it serves; which are unused, and missing.

    Example: [bold]formula db indexes --json | jq .unused[/]
    """
    found = asyncio.run(_indexes(as_user))
    if json:
        print_json(found)
    else:
        _show(found)


async def _indexes(as_user: str | None) -> Indexes:
    async with (
        asking(running_settings(), as_user, Action.PROJECTIONS_READ) as runtime,
        runtime.db.connection() as connection,
    ):
        return await index_use(connection)


def _show(found: Indexes) -> None:
    table = Table("index", "size", "scans", "last used", "serves", box=None)
    for one in found.indexes:
        table.add_row(one.index, decimal(one.bytes), f"{one.scans:,}", _last(one), one.serves)
    out.print(table)
    since = "the database was made" if found.since is None else f"{found.since:%Y-%m-%d %H:%M} UTC"
    out.print(f"unused since {since}: {', '.join(found.unused) or 'none'}", soft_wrap=True)
    out.print(f"missing: {', '.join(found.missing) or 'none'}", soft_wrap=True)
    for one in found.read_whole:
        out.print(
            f"{one.table}: {one.rows:,} rows, read whole {one.scans:,} times: perhaps an index"
            " is missing",
            soft_wrap=True,
        )


def _last(one: IndexUse) -> str:
    return "never" if one.last_used is None else f"{one.last_used:%Y-%m-%d %H:%M}"
