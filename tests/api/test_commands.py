"""The commands: what help lists is what there is, and a command's module takes what it needs."""

import subprocess
import sys

import pytest
from typer.core import TyperCommand, TyperGroup

from api.cli import COMMANDS, OF_AUDIT, OF_STORE
from api.commands.listed import Listed

LISTED = (*COMMANDS, *OF_AUDIT, *OF_STORE)
FOR_SERVERS = {"litestar", "uvicorn", "boto3", "taskiq", "pyarrow", "PIL"}
LIGHT = ("cli", "commands.up", "commands.events", "commands.audit", "client.client")


@pytest.mark.parametrize("listed", LISTED, ids=lambda listed: str(listed.name))
def test_a_command_is_listed_with_its_own_summary(listed: Listed) -> None:
    assert summary(listed.load()) == listed.help


def summary(command: TyperCommand | TyperGroup) -> str:
    """The first paragraph of its help, in one line."""
    return " ".join(str(command.help).partition("\n\n")[0].split())


@pytest.mark.parametrize(("name", "parts"), [("audit", OF_AUDIT), ("store", OF_STORE)])
def test_a_group_has_its_parts(name: str, parts: tuple[Listed, ...]) -> None:
    [listed] = [one for one in COMMANDS if one.name == name]
    group = listed.load()
    assert isinstance(group, TyperGroup)
    assert {part.name for part in parts} < group.commands.keys()


@pytest.mark.parametrize("module", LIGHT)
def test_what_looks_takes_nothing_of_a_server(module: str) -> None:
    script = f"import sys, api.{module}; print(*{FOR_SERVERS} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
