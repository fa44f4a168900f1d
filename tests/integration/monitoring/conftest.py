"""A database of one's own."""

from collections.abc import AsyncIterator

import pytest

from infra.db import Connection, connect
from infra.settings import Settings


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Connection]:
    async with await connect(settings.database_url) as connection:
        yield connection
