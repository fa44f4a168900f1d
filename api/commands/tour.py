"""formula tour: what Formula does, shown on a running server."""

from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.padding import Padding
from rich.text import Text

from api.commands.output import JsonFlag, out, print_json, running_settings
from api.tour import Narrator, Report, Step, run_tour
from api.tour_scenes import SCENES
from infra.instance import base_url
from infra.settings import load_settings


def tour(
    url: Annotated[
        str | None, typer.Option(help="Where Formula runs; default: the instance of this folder.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Show what Formula does, step by step, with people of its own; under two minutes.

    Needs the demo workspace. With --json the last line is one JSON object.

    Example: [bold]formula tour --url http://formula.example:5014 --json | tail -1[/]
    """
    settings = running_settings() if url is None else load_settings()
    report = uvloop.run(_tour(url or base_url(settings), settings.mailbox))
    if json:
        print_json(report)
    elif report.ok:
        out.print("\n[green]That was the tour.[/] Watch the log with [bold]formula events tail[/].")
    raise typer.Exit(0 if report.ok else 1)


async def _tour(url: str, mailbox: Path) -> Report:
    return await run_tour(url, mailbox, SCENES, Aloud())


class Aloud(Narrator):
    """Tells it on the terminal."""

    def title(self, number: int, title: str) -> None:
        out.print(f"\n[bold]{number:>2}. {title}[/]")

    def line(self, text: str) -> None:
        out.print(Padding(Text(text), (0, 0, 0, 4)))

    def done(self, step: Step) -> None:
        mark = "[green]✓[/]" if step.ok else "[red]✗[/]"
        out.print(f"    {mark} [dim]{step.ms / 1_000:.1f} s[/]")
        if not step.ok:
            out.print(Padding(Text(step.error, "red"), (0, 0, 0, 4)))
