"""The server that all attacks of a run are made against, and a room in it for each of them."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import fresh_database
from tests.databases import Databases
from tests.hostile.siege import Besieged, Siege, besieged, siege


@pytest.fixture(scope="package")
def server(
    databases: Databases, read_models: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Besieged]:
    folder = tmp_path_factory.mktemp("hostile")
    with (
        fresh_database(databases, read_models, folder) as settings,
        besieged(settings, folder) as it,
    ):
        yield it


@pytest.fixture
async def here(server: Besieged) -> AsyncIterator[Siege]:
    """A siege: what must hold is checked when the test is over."""
    async with siege(server) as one:
        yield one
