"""The types of the browser's client: true of the modules, and of use to a page."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.browser.conftest import MODULES
from tests.browser.node import node_page
from tests.browser.page import call
from tests.npm import node_modules

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),  # npm may have to install the compiler
    pytest.mark.xdist_group("browser"),
]

SAMPLE = Path(__file__).with_name("sample.ts")
OPTIONS = (
    "--noEmit",
    "--strict",
    "--exactOptionalPropertyTypes",
    "--module",
    "nodenext",
    "--target",
    "es2022",
    "--lib",
    "es2022,dom",
)
DECLARED = re.compile(r"^export class (\w+).*?{\n(.*?)^}", re.DOTALL | re.MULTILINE)
MEMBER = re.compile(r"^  (?:readonly )?(\w+)[(<:]", re.MULTILINE)


def test_a_page_can_be_written_against_them() -> None:
    compiler = node_modules() / "typescript/bin/tsc"
    done = subprocess.run(
        ["node", str(compiler), *OPTIONS, str(SAMPLE)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


async def test_what_they_declare_is_there() -> None:
    text = (MODULES / "formula.d.ts").read_text()
    declared = {name: MEMBER.findall(body) for name, body in DECLARED.findall(text)}
    assert set(declared) == {"Formula", "FormulaError", "Room"}
    assert min(len(members) for members in declared.values()) >= 3
    async with node_page() as page:
        missing = await call(
            page,
            """
            const all = await import(module);
            const closed = { token: () => "", url: "ws://127.0.0.1:9" };
            const formula = new all.Formula(closed);
            const made = {
                Formula: formula,
                Room: new all.Room("r", null),
                FormulaError: new all.FormulaError("code"),
            };
            const missing = Object.entries(declared).flatMap(([name, members]) =>
                members.filter((one) => one !== "constructor" && !(one in made[name])),
            );
            formula.close();
            return missing;
            """,
            module=f"file://{MODULES}/formula.js",
            declared=declared,
        )
    assert missing == []
