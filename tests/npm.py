"""npm's packages that tests need: exact versions, in tests/browser."""

from functools import cache
from pathlib import Path

import pytest

from bench.peers import npm

FOLDER = Path(__file__).parent / "browser"


@cache
def node_modules() -> Path:
    """Where they are, installed. The test is skipped where they cannot be had."""
    if reason := npm.install(FOLDER):
        pytest.skip(reason)
    return FOLDER / "node_modules"
