"""formula audit holds: legal holds; while one stands, nothing of it is thrown away."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from api.commands.asking import AsUser, asking
from api.commands.audit import origin_of
from api.commands.output import JsonFlag, out, print_json, running_settings
from api.holding import placing
from domain.access import Action
from domain.hold import HOLD, HOLDS_STREAM, HoldPlaced, Kind, ReleaseHold
from infra.holds import holds as standing_holds

Reason = Annotated[str, typer.Option(help="Why; it is in the audit for ever.")]

app = typer.Typer(help="Place and release legal holds.", invoke_without_command=True)


@app.callback()
def holds(context: typer.Context, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Print the holds that stand, by subject.

    Example: [bold]formula audit holds --json[/]
    """
    if context.invoked_subcommand is None:
        for one in asyncio.run(_holds(as_user)):
            _show(one, json=json)


@app.command()
def place(
    subject: UUID,
    reason: Reason,
    kind: Annotated[Kind, typer.Option(help="What has this id.")],
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Hold a project, or a record: a task, document, client, user.

    Example: [bold]formula audit holds place 0190… --kind project --reason "Case 12/2030"[/]
    """
    _show(asyncio.run(_place(as_user, subject, kind, reason)), json=json)


@app.command()
def release(subject: UUID, reason: Reason, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """End a hold.

    Example: [bold]formula audit holds release 0190… --reason "Case closed"[/]
    """
    asyncio.run(_release(as_user, subject, reason))
    if json:
        print_json({"released": subject})
    else:
        out.print(f"released {subject}")


async def _holds(as_user: str | None) -> list[HoldPlaced]:
    async with asking(running_settings(), as_user, Action.HOLD_READ) as runtime:
        found = (await standing_holds(runtime)).standing
    return [found[key] for key in sorted(found)]


async def _place(as_user: str | None, subject: UUID, kind: Kind, reason: str) -> HoldPlaced:
    """As it stands, whoever placed it first."""
    async with asking(running_settings(), as_user, Action.HOLD_PLACE) as runtime:
        command = await placing(runtime, subject, kind, reason)
        await runtime.execute(await origin_of(runtime, as_user), HOLD, HOLDS_STREAM, command)
        return (await standing_holds(runtime)).standing[subject]


async def _release(as_user: str | None, subject: UUID, reason: str) -> None:
    async with asking(running_settings(), as_user, Action.HOLD_PLACE) as runtime:
        command = ReleaseHold(subject=subject, reason=reason, at=runtime.now())
        await runtime.execute(await origin_of(runtime, as_user), HOLD, HOLDS_STREAM, command)


def _show(one: HoldPlaced, *, json: bool) -> None:
    if json:
        print_json(one)
        return
    out.print(
        f"{one.subject} {one.kind:<7} since {one.at:%Y-%m-%d %H:%M}: {one.reason}",
        markup=False,
        soft_wrap=True,
    )
