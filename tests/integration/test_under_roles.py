"""What the processes do as the roles that they have in production, of which none is the owner."""

from collections.abc import AsyncIterator

import pytest

from infra.runtime import Runtime
from infra.settings import Settings
from tests.integration.conftest import Api
from tests.integration.test_recovering import mailed, reset
from tests.logins import divided
from tests.workers.office import working
from workers.scheduler import ticks

pytestmark = pytest.mark.services


@pytest.fixture
async def both(settings: Settings) -> AsyncIterator[tuple[Runtime, Runtime]]:
    async with divided(settings) as both:
        yield both


@pytest.fixture
def projected(both: tuple[Runtime, Runtime]) -> Runtime:
    """The API's."""
    return both[0]


@pytest.fixture
def others(both: tuple[Runtime, Runtime]) -> Runtime:
    """Of projectors, workers and schedulers."""
    return both[1]


async def test_who_has_lost_the_password_is_mailed(api: Api, others: Runtime) -> None:
    ann = await api.as_("member")
    async with working(others.settings):
        assert (await api.post("/auth/password/forgot", {"email": ann.email})).status_code == 202
        token = await mailed(api, ann.email)
    assert (await reset(api, token)).status_code == 200


async def test_every_tick_of_the_scheduler_does_its_work(api: Api, others: Runtime) -> None:
    await api.as_("member")
    for tick in ticks(others):
        await tick.run(0.0)
