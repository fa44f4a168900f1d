"""formula audit: who did what, when, from where."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Table

from api.commands.output import JsonFlag, out, print_json, running_settings
from domain.user import USER
from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from projections.audit import AuditFilter, AuditRow, list_audit
from projections.read import reading


def audit(
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
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    json: JsonFlag = False,
) -> None:
    """Print the audit trail, newest first.

    Example: [bold]formula audit --aggregate lock --since 2026-01-31 --json[/]
    """
    wanted = AuditFilter(
        actor=actor,
        aggregate=aggregate,
        subject=subject,
        type=type_,
        project=project,
        command_id=command,
        since=_utc(since),
        until=_utc(until),
    )
    asyncio.run(_audit(running_settings(), wanted, limit, json=json))


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC)


async def _audit(settings: Settings, wanted: AuditFilter, limit: int, *, json: bool) -> None:
    async with open_runtime(settings) as runtime:
        async with reading(runtime, group="audit") as db:
            rows = await list_audit(db, wanted, limit=limit)
        if json:
            for row in rows:
                print_json(row)
        else:
            out.print(await _table(runtime, rows))


async def _table(runtime: Runtime, rows: list[AuditRow]) -> Table:
    table = Table(box=None, padding=(0, 1))
    for title in ("Position", "At (UTC)", "Who", "From", "Type", "Subject", "Command"):
        table.add_column(title, no_wrap=title in {"Position", "At (UTC)", "Type"})
    for row in rows:
        who = "system" if row.actor is None else (await runtime.load(USER, row.actor)).state.name
        table.add_row(
            str(row.position),
            f"{row.at:%Y-%m-%d %H:%M:%S}",
            escape(who or str(row.actor)),
            row.ip or "-",
            row.type,
            str(row.subject),
            row.command,
        )
    return table
