"""The roles of the processes, with log-ins: as `formula up` gives each process its own."""

import msgspec
import psycopg
from psycopg.conninfo import make_conninfo

from infra.settings import Settings
from migrations.roles import APP, PROJECTOR, grant, let_in

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
