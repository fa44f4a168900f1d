"""The roles of the processes, with log-ins: as `formula up` gives each process its own."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import psycopg
from psycopg.conninfo import make_conninfo

from infra.runtime import Runtime, open_runtime
from infra.settings import Settings
from migrations.roles import APP, PROJECTOR, grant, let_in
from tests.conftest import projecting

PASSWORD = "for these tests alone"
BOTH = (APP, PROJECTOR)


def with_logins(settings: Settings) -> None:
    """After the read models that it has: those are the projector's from then on."""
    with psycopg.connect(settings.database_url, autocommit=True) as owner:
        assert grant(owner)
    for role in BOTH:
        let_in(settings.database_url, role, PASSWORD)


def as_(settings: Settings, role: str) -> Settings:
    url = make_conninfo(settings.database_url, user=role, password=PASSWORD)
    return msgspec.structs.replace(settings, database_url=url)


@asynccontextmanager
async def divided(settings: Settings) -> AsyncGenerator[tuple[Runtime, Runtime]]:
    """The API's process, and one that projects: workers and schedulers may what it may."""
    with_logins(settings)
    async with (
        open_runtime(as_(settings, PROJECTOR)) as others,
        projecting(others),
        open_runtime(as_(settings, APP)) as app,
    ):
        yield app, others
