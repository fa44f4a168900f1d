"""A log that is full and one that is empty."""

from collections.abc import Iterator

import msgspec
import pytest

from infra.settings import Settings
from tests.conftest import TEMPLATE
from tests.databases import Databases
from tests.integration.transfer.logs import MANY, fill


@pytest.fixture
def target(databases: Databases, settings: Settings) -> Iterator[Settings]:
    """An empty log in another database."""
    name = databases.copy(TEMPLATE)
    yield msgspec.structs.replace(settings, database_url=databases.url(name))
    databases.drop(name)


@pytest.fixture
def full(settings: Settings) -> Settings:
    """A log of MANY rows."""
    fill(settings.database_url, MANY)
    return settings
