"""The bar of a command that takes its time: how far, how fast, how long still."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from api.commands.output import err

Note: TypeAlias = Callable[[str, int, int], None]  # step, done, of


class Rate(ProgressColumn):
    """How many a second, once there is something to go by."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")


@contextmanager
def progress() -> Generator[Note]:
    """A bar for each step, on a terminal only."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as bars:
        steps: dict[str, TaskID] = {}

        def note(step: str, done: int, of: int) -> None:
            if step not in steps:
                steps[step] = bars.add_task(step)
            bars.update(steps[step], completed=done, total=of)

        yield note
