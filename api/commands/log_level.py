"""formula log-level: what the processes write, changed for a while without a restart."""

import asyncio
import re
from typing import Annotated

import typer

from api.commands.asking import connected
from api.commands.output import JsonFlag, fail, out, print_json, running_settings
from domain.log_level import SetLevel
from infra.log_levels import Level, levels_set, set_level
from infra.runtime import SYSTEM

UNITS = {"s": 1, "m": 60, "h": 3_600}


def log_level(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[LOGGER] LEVEL",
            help="debug, info, warning or error; of a module, or of all. None: print what is set.",
        ),
    ] = None,
    for_: Annotated[
        str, typer.Option("--for", help="A day at the most; 0s: back at once.")
    ] = "15m",
    json: JsonFlag = False,
) -> None:
    """Change what every process logs for a while; then the settings' level comes back.

    Examples: [bold]formula log-level debug[/],
    [bold]formula log-level infra.eventstore debug --for 1h[/]
    """
    *logger, level = words or [""]
    if len(logger) > 1:
        fail("say at most a logger and a level")
    command = SetLevel(logger="".join(logger), level=level, seconds=_seconds(for_))
    levels = asyncio.run(_change(command if level else None))
    if json:
        print_json(levels)
        return
    for one in levels:
        out.print(f"{one.logger or 'all'}: {one.level} until {one.until:%Y-%m-%d %H:%M:%S} UTC")
    if not levels:
        out.print("as the settings say")


async def _change(command: SetLevel | None) -> list[Level]:
    async with connected(running_settings()) as runtime:
        if command is not None:
            return await set_level(runtime, SYSTEM, command)
        async with runtime.db.connection() as db:
            return await levels_set(db)


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d{1,6})([smh])", text)
    if found is None:
        fail(f"not a time such as 90s, 15m or 2h: {text}")
    return int(found.group(1)) * UNITS[found.group(2)]
