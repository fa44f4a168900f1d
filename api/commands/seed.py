"""formula seed: the demo workspace."""

import asyncio
from typing import Annotated

import msgspec
import typer

from api.commands.asking import connected
from api.commands.output import JsonFlag, fail, out, print_json, running_settings
from api.seed import Seeded, reached_by, wanted
from api.seed import seed as make_workspace
from infra.settings import Settings


def seed(
    json: JsonFlag = False,
    force: Annotated[
        bool, typer.Option(help="Also into a store that is not empty, or that others reach.")
    ] = False,
) -> None:
    """Make the demo workspace: people of every role, clients, projects, tasks, comments.

    What is there already is left as it is. All know the password of its people.

    Example: [bold]formula seed --force[/]
    """
    settings = running_settings()
    if not force and (setting := reached_by(settings)):
        fail(f"{setting} lets others in, and all know the demo's password: --force seeds it still")
    made = asyncio.run(_seed(settings, force=force))
    if made is None:
        fail("the store is not empty: add the demo, whose password all know, with --force")
    if json:
        print_json(made)
    else:
        out.print(
            "There are now "
            + ", ".join(f"{n} {name}" for name, n in msgspec.structs.asdict(made).items())
        )


async def _seed(settings: Settings, *, force: bool) -> Seeded | None:
    async with connected(settings) as runtime:
        if not force and not await wanted(runtime):
            return None
        return await make_workspace(runtime)
