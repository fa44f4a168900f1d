"""Commands as help lists them: the module of one is imported when it is chosen."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


class Listed(TyperCommand):
    """A name and a summary; `where` the command itself is: MODULE:NAME of its function or Typer.

    `parts`: what a group has beside the commands of its own module.
    """

    def __init__(
        self,
        name: str,
        where: str,
        summary: str,
        panel: str | None = None,
        parts: tuple["Listed", ...] = (),
    ) -> None:
        super().__init__(name, help=summary, rich_help_panel=panel)
        self._where, self._parts = where, parts

    def load(self) -> TyperCommand | TyperGroup:
        """The command itself."""
        module, _, attribute = self._where.partition(":")
        found: typer.Typer | Callable[..., Any] = getattr(import_module(module), attribute)
        if not isinstance(found, typer.Typer):
            return _command(self.name, found)
        group = get_group(found)
        for part in self._parts:
            group.add_command(part)
        return group

    def make_context(self, *arguments: Any, **named: Any) -> Any:
        """Chosen: what follows is the command's own affair."""
        return self.load().make_context(*arguments, **named)


def _command(name: str | None, function: Callable[..., Any]) -> Any:
    alone = typer.Typer(add_completion=False)
    alone.command(name)(function)
    return get_command(alone)
