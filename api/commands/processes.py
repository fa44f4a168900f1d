"""The processes, each by itself: what `up` supervises, for installations of several machines."""

import os
import sys
from typing import Annotated, NoReturn

import typer

from api.commands.output import running_settings
from infra.settings import child_environment


def api() -> None:
    """Serve REST and WebSockets.

    Example: [bold]PORT=8080 DATABASE_URL=postgresql://… REDIS_URL=redis://… formula api[/]
    """
    _become("api.main")


def projector(
    group: Annotated[
        list[str] | None, typer.Option(help="A group of read models to run; all if none is named.")
    ] = None,
) -> None:
    """Project the log into read tables, and push what is new to the rooms.

    Any number may run: each group has one leader, the others stand by.

    Example: [bold]formula projector --group live[/]
    """
    named = [argument for name in group or [] for argument in ("--group", name)]
    _become("projections.main", *named)


def worker(
    queue: Annotated[
        list[str] | None, typer.Option(help="A queue to serve; all if none is named.")
    ] = None,
) -> None:
    """Run jobs: mails, notifications, reports.

    Example: [bold]formula worker --queue email --queue notifications[/]
    """
    named = [argument for name in queue or [] for argument in ("--queue", name)]
    _become("workers.main", "worker", *named)


def scheduler() -> None:
    """Do what is due: expire locks, end the stay of people whose node is gone, tidy up.

    Any number may run: one leads, the others stand by.
    """
    _become("workers.main", "scheduler")


def demo() -> None:
    """Simulate four colleagues in the demo workspace: they move, act, lock, comment, drop.

    They use the public interfaces only, and come back when the server does.
    """
    _become("api.demo")


def _become(module: str, *arguments: str) -> NoReturn:
    """Replace this process, so that signals reach the one that does the work."""
    environment = child_environment(running_settings())
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], environment)  # noqa: S606, ourselves
