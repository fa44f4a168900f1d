"""formula bench: how fast, beside what people use now."""

import os
import sys
from typing import Annotated

import typer

from api.commands.output import JsonFlag


def bench(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="A suite, or all; report, compare and readme take results. Without: a list.",
            metavar="[NAME] [RESULT]...",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A smoke test: figures mean little.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Measure Formula beside its peers, on servers of its own, and keep the result.

    With --json the last line is the result as one JSON object.

    Example: [bold]formula bench guard[/]
    """
    flags = [flag for flag, given in (("--quick", quick), ("--json", json)) if given]
    os.execv(sys.executable, [sys.executable, "-m", "bench", *(words or []), *flags])  # noqa: S606, ourselves
