"""Our end of a WebSocket passes the public conformance suite, taken over and as plain ASGI."""

from pathlib import Path

import pytest

from tests.api.wire_app import running
from tests.faults.children import full
from tests.hostile.conformance import Verdict, installed, verdicts

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600), pytest.mark.xdist_group("conformance")]

LARGEST = 16 * 1024 * 1024 + 1_024  # bytes of a message in the suite
CASES = [f"{chapter}.*" for chapter in (1, 2, 3, 4, 5, 6, 7, 9, 10)]
SLOW = () if full() else ("9.*",)
BINARY = ("1.2.*", "9.2.*", "9.4.*", "9.6.*", "9.8.*")
# The suite's cases with deflated texts fail in its runner: it hashes what it sends undecoded.
DEFLATED = ["12.2.*", "12.3.*", "12.5.*"] if full() else ["12.2.1", "12.3.1", "12.5.1"]


@pytest.fixture(scope="module")
def suite(pytestconfig: pytest.Config) -> Path:
    cache = pytestconfig.cache
    assert cache is not None
    return installed(cache.mkdir("conformance"))


async def test_a_wire_that_was_taken_over_conforms(suite: Path, tmp_path: Path) -> None:
    """It has no binary messages: see below."""
    with running(ws_max_size=LARGEST) as server:
        found = await verdicts(suite, server.url(), tmp_path, CASES, (*BINARY, *SLOW))
    assert bad(found) == {}
    assert len(found) >= 230


async def test_a_wire_that_was_taken_over_refuses_what_is_binary(
    suite: Path, tmp_path: Path
) -> None:
    with running() as server:
        found = await verdicts(suite, server.url(), tmp_path, ["1.2.*"])
    assert [one.remote_close_code for one in found.values()] == [1003] * 8


async def test_an_ordinary_asgi_application_conforms(suite: Path, tmp_path: Path) -> None:
    with running(ws_max_size=LARGEST) as server:
        found = await verdicts(suite, server.url("/mirror"), tmp_path, CASES, SLOW)
    assert bad(found) == {}
    assert len(found) >= 240


async def test_deflated_messages_conform(suite: Path, tmp_path: Path) -> None:
    with running(ws_max_size=LARGEST, ws_per_message_deflate=True) as server:
        found = await verdicts(suite, server.url("/mirror"), tmp_path, DEFLATED)
    assert bad(found) == {}
    assert len(found) >= len(DEFLATED)


def bad(found: dict[str, Verdict]) -> dict[str, Verdict]:
    return {case: one for case, one in found.items() if not one.is_good}
