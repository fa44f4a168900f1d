"""formula audit: who did what, when, from where."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
import typer
from rich.text import Text

from api.audit_reads import narrowed, note_read, saved_filter
from api.commands.asking import AsUser, actor_name, asking, caller
from api.commands.output import JsonFlag, fail, out, print_json, running_settings
from domain.access import Action
from domain.audit import AuditFilter, checked_filter
from infra.runtime import Origin, Runtime
from infra.settings import Settings
from projections.audit import AuditRow
from projections.audit_list import list_audit
from projections.audit_tree import Node
from projections.audit_tree import tree as read_tree
from projections.read import reading

HERE = "formula audit"  # where the command line's reads of the audit come from

Wanted = Annotated[
    str | None,
    typer.Option(
        "--filter", metavar="NAME|JSON", help="A saved filter's name, or its fields as JSON."
    ),
]

app = typer.Typer(help="Read the audit trail.", invoke_without_command=True)


@app.callback()
def audit(
    context: typer.Context,
    actor: Annotated[UUID | None, typer.Option(help="Who did it.")] = None,
    subject: Annotated[UUID | None, typer.Option(help="The stream it was done to.")] = None,
    aggregate: Annotated[str | None, typer.Option(help="user, project, task, lock, …")] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="A whole type, such as lock.stolen.v1.")
    ] = None,
    project: Annotated[UUID | None, typer.Option(help="In this project.")] = None,
    command: Annotated[UUID | None, typer.Option(help="By the command with this id.")] = None,
    since: Annotated[datetime | None, typer.Option(help="UTC, this included.")] = None,
    until: Annotated[datetime | None, typer.Option(help="UTC, this not included.")] = None,
    search: Annotated[str | None, typer.Option(help="Words that people wrote.")] = None,
    filter_: Wanted = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Print the audit trail, newest first.

    With a saved filter, what is given beside it comes in place of its fields.

    Example: [bold]formula audit --aggregate lock --since 2026-01-31 --json[/]
    """
    if context.invoked_subcommand:
        return
    given = AuditFilter(
        actor=actor,
        aggregate=aggregate,
        subject=subject,
        type=type_,
        project=project,
        command_id=command,
        since=_utc(since),
        until=_utc(until),
        search=search,
    )
    asyncio.run(
        _audit(running_settings(), as_user, filter_, checked_filter(given), limit, json=json)
    )


@app.command()
def tree(position: int, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Print why an event happened, and what came of it.

    Example: [bold]formula audit tree 4711[/]
    """
    asyncio.run(_tree(running_settings(), as_user, position, json=json))


async def origin_of(runtime: Runtime, email: str | None) -> Origin:
    """Who reads: the user of --as, or who holds the database's password."""
    reader = (await caller(runtime, email)).id if email else None
    return Origin(actor=reader, user_agent=HERE)


async def kept(runtime: Runtime, reader: UUID | None, wanted: str | None) -> AuditFilter:
    """What --filter means."""
    if wanted is None:
        return AuditFilter()
    return (
        filter_of(wanted) if wanted.startswith("{") else await saved_filter(runtime, reader, wanted)
    )


def filter_of(text: str) -> AuditFilter:
    """Of JSON, with the names of the API's filters."""
    try:
        return checked_filter(msgspec.json.decode(text, type=AuditFilter))
    except msgspec.DecodeError as error:
        fail(f"no filter of the audit: {error}")


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC)


async def _audit(
    settings: Settings,
    as_user: str | None,
    name: str | None,
    given: AuditFilter,
    limit: int,
    *,
    json: bool,
) -> None:
    async with asking(settings, as_user, Action.AUDIT_READ) as runtime:
        origin = await origin_of(runtime, as_user)
        wanted = narrowed(await kept(runtime, origin.actor, name), given)
        rows = await _rows(runtime, wanted, limit)
        await note_read(runtime, origin, "list", len(rows), wanted)
        for row in rows:
            if json:
                print_json(row)
            else:
                out.print(await _text(runtime, row), soft_wrap=True)


async def _rows(runtime: Runtime, wanted: AuditFilter, limit: int) -> list[AuditRow]:
    """Page after page, until there are enough."""
    rows: list[AuditRow] = []
    after: int | None = None
    async with reading(runtime, group="audit") as db:
        while len(rows) < limit:
            found = await list_audit(db, wanted, after, limit - len(rows))
            rows += found.rows
            after = found.next
            if after is None:
                break
    return rows


async def _tree(settings: Settings, as_user: str | None, position: int, *, json: bool) -> None:
    async with asking(settings, as_user, Action.AUDIT_READ) as runtime:
        async with reading(runtime, group="audit") as db:
            nodes = await read_tree(db, position)
        if not nodes:
            fail(f"there is no event at position {position}: see formula audit")
        origin = await origin_of(runtime, as_user)
        await note_read(runtime, origin, "tree", len(nodes), of=str(position))
        for node in nodes:
            if json:
                print_json(node)
            else:
                out.print(await _branch(runtime, node, nodes[0].depth), soft_wrap=True)


async def _branch(runtime: Runtime, node: Node, first: int) -> Text:
    return Text.assemble(
        "  " * (node.depth - first),
        (f"{node.position} {node.at:%Y-%m-%d %H:%M:%S} ", "dim"),
        (f"{await actor_name(runtime, node.actor)} ", "cyan"),
        (node.type, "bold" if node.depth else "bold reverse"),
        f" {node.subject} {node.command}",
    )


async def _text(runtime: Runtime, row: AuditRow) -> Text:
    return Text.assemble(
        (f"{row.position:>8} {row.at:%Y-%m-%d %H:%M:%S} ", "dim"),
        (f"{await actor_name(runtime, row.actor):<16.16} ", "cyan"),
        f"{row.ip or '-':<15} ",
        (f"{row.type:<28} ", "bold"),
        f"{row.subject} {row.command}",
    )
