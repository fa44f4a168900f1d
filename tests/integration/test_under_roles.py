"""What the processes do as the roles that they have in production, of which none is the owner."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from migrations.roles import APP, PROJECTOR
from tests.conftest import fresh_database, projecting
from tests.databases import Databases
from tests.integration.conftest import Api
from tests.integration.test_recovering import mailed, reset
from tests.logins import as_, with_logins
from tests.workers.office import working

pytestmark = pytest.mark.services


@pytest.fixture
def settings(databases: Databases, read_models: str, tmp_path: Path) -> Iterator[Settings]:
    """The owner's."""
    with fresh_database(databases, read_models, tmp_path) as fresh:
        with_logins(fresh)
        yield fresh


@pytest.fixture
async def others(settings: Settings) -> AsyncIterator[Runtime]:
    """A process that projects; workers and schedulers may what it may."""
    async with open_runtime(as_(settings, PROJECTOR)) as runtime, projecting(runtime):
        yield runtime


@pytest.fixture
async def projected(settings: Settings, others: Runtime) -> AsyncIterator[Runtime]:
    """The API's process."""
    async with open_runtime(as_(settings, APP)) as runtime:
        yield runtime


async def test_who_has_lost_the_password_is_mailed(api: Api, others: Runtime) -> None:
    ann = await api.as_("member")
    async with working(others.settings):
        assert (await api.post("/auth/password/forgot", {"email": ann.email})).status_code == 202
        token = await mailed(api, ann.email)
    assert (await reset(api, token)).status_code == 200
