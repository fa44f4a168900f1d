"""formula audit filters: the searches of the audit that a reader keeps by name."""

import asyncio
from typing import Annotated

import msgspec
import typer

from api.audit_reads import SavedFilter, saved_filters
from api.commands.asking import AsUser, asking
from api.commands.audit import filter_of, origin_of
from api.commands.output import JsonFlag, out, print_json, running_settings
from domain.access import Action
from domain.audit import AUDIT, AuditCommand, RemoveAuditFilter, SaveAuditFilter, filters_stream

app = typer.Typer(help="Keep searches of the audit by name.", invoke_without_command=True)


@app.callback()
def filters(context: typer.Context, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Print the searches that are kept: one's own, by name.

    Example: [bold]formula audit filters --json[/]
    """
    if context.invoked_subcommand is None:
        for one in asyncio.run(_filters(as_user)):
            _show(one, json=json)


@app.command()
def save(
    name: str,
    fields: Annotated[str, typer.Argument(metavar="JSON", help="As in the API's filters.")],
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Keep a search, in place of one of that name.

    Example: [bold]formula audit filters save locks '{"aggregate":"lock"}'[/]
    """
    wanted = filter_of(fields)
    asyncio.run(_change(as_user, SaveAuditFilter(name=name, filter=wanted)))
    _show(SavedFilter(name.strip(), wanted), json=json)


@app.command()
def remove(name: str, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Forget a search.

    Example: [bold]formula audit filters remove locks[/]
    """
    asyncio.run(_change(as_user, RemoveAuditFilter(name=name)))
    if json:
        print_json({"removed": name})
    else:
        out.print(f"removed {name}", markup=False, soft_wrap=True)


async def _filters(as_user: str | None) -> list[SavedFilter]:
    async with asking(running_settings(), as_user, Action.AUDIT_READ) as runtime:
        return await saved_filters(runtime, (await origin_of(runtime, as_user)).actor)


async def _change(as_user: str | None, command: AuditCommand) -> None:
    async with asking(running_settings(), as_user, Action.AUDIT_SAVE) as runtime:
        origin = await origin_of(runtime, as_user)
        await runtime.execute(origin, AUDIT, filters_stream(origin.actor), command)


def _show(one: SavedFilter, *, json: bool) -> None:
    if json:
        print_json(one)
        return
    fields = msgspec.json.encode(one.filter).decode()
    out.print(f"{one.name}  {fields}", markup=False, soft_wrap=True)
