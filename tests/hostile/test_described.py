"""The API does what its description says, whoever asks and whatever is asked: schemathesis."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from uuid import UUID

import pytest

from api import tokens
from domain.user import Role
from infra.instance import base_url
from infra.runtime import Runtime, open_runtime
from projections.read import wait_for
from tests.conftest import fresh_database
from tests.databases import Databases
from tests.faults.children import full
from tests.hostile.described import (
    Answers,
    Finding,
    configured,
    described,
    found,
    operations,
)
from tests.hostile.siege import Besieged, besieged
from tests.integration.sockets import Served

pytestmark = [
    pytest.mark.services,
    pytest.mark.faults,
    pytest.mark.xdist_group("described"),
    pytest.mark.timeout(900 if full() else 400),
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),  # schemathesis does
]

PEOPLE = 50  # of a role: some routes end whoever asks
FEW = 3  # requests of an operation, at least on average
ROLES = ("admin", "member", "")


@pytest.fixture(scope="module")
def alone(
    databases: Databases, read_models: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Besieged]:
    """A server that nobody else is disturbed by: an admin stops what runs."""
    folder = tmp_path_factory.mktemp("described")
    with (
        fresh_database(databases, read_models, folder) as settings,
        besieged(settings, folder) as it,
    ):
        yield it


@pytest.mark.parametrize("role", ROLES)
async def test_the_api_does_what_its_description_says(role: str, alone: Besieged) -> None:
    known = len(alone.bugs())
    async with open_runtime(alone.settings) as runtime:
        token = await tokens_of(runtime, role)
        findings, answers, all_ = await asyncio.to_thread(asked, base_url(alone.settings), token)
    assert not findings, "\n\n".join(finding.text for finding in findings)
    assert alone.bugs()[known:] == []
    assert answers.statuses[200], answers  # not all was refused
    assert all_ - set(answers.operations) == set()
    assert answers.statuses.total() > FEW * len(all_), answers


async def tokens_of(runtime: Runtime, role: str) -> Callable[[], str] | None:
    """Another person's each time, of a new log-in."""
    if not role:
        return None
    served = Served(runtime, "")
    people = [await served.user("x", Role(role)) for _ in range(PEOPLE)]
    for group in ("queries", "live"):
        await wait_for(runtime, group, await runtime.store.head())
    return partial(_signed, runtime, cycle(people))


def _signed(runtime: Runtime, people: Iterator[UUID]) -> str:
    claims = tokens.claims(
        next(people), Role.MEMBER, runtime.new_id(), runtime.new_id(), runtime.now(), 900
    )
    return tokens.sign(claims, runtime.keys)


def asked(url: str, token: Callable[[], str] | None) -> tuple[list[Finding], Answers, set[str]]:
    """All operations: with a few requests each that are always the same, or with all there is."""
    runs = [configured(FEW * 2, "fuzzing", learns=False)]
    if full():
        runs = [configured(20, "examples", "coverage", "fuzzing"), configured(100, "stateful")]
    findings, answers, all_ = list[Finding](), Answers(), set[str]()
    for config in runs:
        schema = described(url, config, token)
        findings += found(schema, answers)
        all_ = operations(schema)
    return findings, answers, all_
