"""A log that is full and one that is empty."""

from collections.abc import Iterator
from uuid import uuid4

import msgspec
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.embedded import Embedded
from infra.settings import Settings
from tests.conftest import TEMPLATE
from tests.integration.transfer.logs import MANY, execute, fill


@pytest.fixture
def target(servers: Embedded, settings: Settings) -> Iterator[Settings]:
    """An empty log in another database."""
    admin, name = make_conninfo(servers.database_url, dbname="postgres"), f"t_{uuid4().hex}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    execute(admin, create.format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
    conninfo = make_conninfo(servers.database_url, dbname=name)
    yield msgspec.structs.replace(settings, database_url=conninfo)
    execute(admin, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def full(settings: Settings) -> Settings:
    """A log of MANY rows."""
    fill(settings.database_url, MANY)
    return settings
