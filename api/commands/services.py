"""formula services: the parts of every process, and the processes of every supervisor."""

import asyncio
from datetime import datetime

from rich.markup import escape
from rich.table import Table

from api.commands.output import JsonFlag, out, print_json, running_settings
from api.summary import ProcessServices, services_of
from infra.nodes import nodes
from infra.runtime import open_runtime
from infra.services import ServiceState, State

COLOURS = {State.UP: "green", State.STARTING: "yellow", State.STOPPED: "dim"}  # else red


def services(json: JsonFlag = False) -> None:
    """Show what each process is made of, how it is and since when.

    Example: [bold]formula services --json | jq '.[].services[] | select(.state != "up")'[/]
    """
    found, now = asyncio.run(_found())
    if json:
        print_json(found)
    else:
        _show(found, now)


async def _found() -> tuple[list[ProcessServices], datetime]:
    async with open_runtime(running_settings()) as runtime:
        return services_of(await nodes(runtime)), runtime.now()


def _show(found: list[ProcessServices], now: datetime) -> None:
    table = Table(box=None, padding=(0, 2))
    for title in ("Process", "Service", "State", "Since", "Latency", "Restarts", "Last error"):
        table.add_column(title, no_wrap=title != "Last error")
    for process in found:
        table.add_row(f"{process.role} {process.pid} on {process.host}", "", process.status)
        for one in process.services:
            table.add_row("", *_cells(one, now))
    out.print(table)


def _cells(one: ServiceState, now: datetime) -> tuple[str, ...]:
    colour = COLOURS.get(one.state, "red")
    since = now - one.since
    latency = "" if one.latency_ms is None else f"{one.latency_ms:g} ms"
    restarts = str(one.restarts or "")
    ago = f"{max(since.total_seconds(), 0):.0f} s"
    return one.name, f"[{colour}]{one.state}[/]", ago, latency, restarts, escape(one.error)
