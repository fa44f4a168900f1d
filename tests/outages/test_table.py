"""The table of outages is what is tested, and what the README shows."""

from tests.faults.children import ROOT
from tests.outages.probes import PROBES
from tests.outages.table import TABLE, markdown


def test_each_row_is_tested_or_says_that_it_is_not() -> None:
    assert {row.what for row in TABLE if row.tested} == PROBES.keys()


def test_the_readme_shows_the_table() -> None:
    assert markdown() in (ROOT / "README.md").read_text()
