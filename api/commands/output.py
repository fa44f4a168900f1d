"""What commands share: settings, the console, JSON lines; one clear line when they fail."""

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from infra.instance import with_instance
from infra.settings import Settings, load_settings

EXIT_FAILED = 1

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def fail(reason: BaseException | str) -> NoReturn:
    stop(one_line(reason))


def stop(text: str) -> NoReturn:
    err.print(f"formula: {text}", style="red", markup=False, soft_wrap=True)
    sys.exit(EXIT_FAILED)


def one_line(reason: BaseException | str) -> str:
    return " ".join(str(reason).split()) or type(reason).__name__


def running_settings() -> Settings:
    """The settings, completed from the instance that runs on the data folder."""
    return with_instance(load_settings())


def print_json(value: object) -> None:
    """One line."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def columns(lines: Sequence[tuple[str, ...]]) -> Text:
    """Whole, however narrow the terminal is: ids are there to be copied."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return Text("\n".join(line.rstrip() for line in padded), no_wrap=True, overflow="ignore")
