"""formula audit: who did what, when, from where."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.text import Text

from api.commands.asking import AsUser, asking
from api.commands.output import JsonFlag, actor_name, out, print_json, running_settings
from domain.access import Action
from infra.runtime import Runtime
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
    as_user: AsUser = None,
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
    asyncio.run(_audit(running_settings(), as_user, wanted, limit, json=json))


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC)


async def _audit(
    settings: Settings, as_user: str | None, wanted: AuditFilter, limit: int, *, json: bool
) -> None:
    async with asking(settings, as_user, Action.AUDIT_READ) as runtime:
        async with reading(runtime, group="audit") as db:
            rows = await list_audit(db, wanted, limit=limit)
        for row in rows:
            if json:
                print_json(row)
            else:
                out.print(await _text(runtime, row), soft_wrap=True)


async def _text(runtime: Runtime, row: AuditRow) -> Text:
    return Text.assemble(
        (f"{row.position:>8} {row.at:%Y-%m-%d %H:%M:%S} ", "dim"),
        (f"{await actor_name(runtime, row.actor):<16.16} ", "cyan"),
        f"{row.ip or '-':<15} ",
        (f"{row.type:<28} ", "bold"),
        f"{row.subject} {row.command}",
    )
