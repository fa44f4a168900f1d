"""The checklist of asvs.md: each item has a state, and what it says is shown is shown."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

import tests

HERE = Path(tests.__file__).parent
STATES = {"met", "not met", "does not apply"}
NAMED = re.compile(r"`tests/(\S+\.py)::(\w+)`")


class Item(msgspec.Struct, frozen=True):
    id: str
    asks: str
    state: str
    how: str


def items() -> Iterator[Item]:
    for line in (HERE / "asvs.md").read_text().splitlines():
        if re.match(r"\| \d", line):
            yield Item(*(cell.strip() for cell in line.strip("|").split("|")))


@cache
def functions_of(file: str) -> frozenset[str]:
    tree = ast.parse((HERE / file).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


def test_each_item_is_there_once_with_a_state() -> None:
    listed = list(items())
    ids = [item.id for item in listed]
    assert len(ids) == len(set(ids)) > 80
    assert [item for item in listed if item.state not in STATES or not item.how] == []


def test_what_is_met_names_its_test() -> None:
    assert [item.id for item in items() if item.state == "met" and not NAMED.search(item.how)] == []


def test_each_test_that_is_named_exists() -> None:
    named = [found.groups() for item in items() for found in NAMED.finditer(item.how)]
    assert [one for one in named if one[1] not in functions_of(one[0])] == []
