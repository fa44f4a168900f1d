"""Each case of the contract runs on both stores."""

from collections.abc import AsyncIterator

import pytest

from infra.eventstore.memory import MemoryStore
from infra.eventstore.store import Store
from infra.runtime import Clock, open_runtime
from infra.settings import Settings


@pytest.fixture
async def memory() -> Store:
    return MemoryStore(Clock().now)


@pytest.fixture
async def postgres(settings: Settings) -> AsyncIterator[Store]:
    async with open_runtime(settings) as runtime:
        yield runtime.store


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(request.param)
