"""What the processes' roles may not do in the database; that it is enough: test_under_roles.py."""

from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import errors

from domain.user import USER, RegisterUser, Role
from infra.eventstore.motion import make_partitions
from infra.runtime import SYSTEM, open_runtime
from infra.settings import Settings
from migrations.roles import APP, PROJECTOR, TABLES, grant
from projections.read import reading
from tests.conftest import fresh_database, projecting
from tests.databases import Databases
from tests.logins import BOTH, as_, with_logins

pytestmark = pytest.mark.services

PUBLIC_TABLES = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
    AND NOT c.relispartition AND c.relname LIKE 'formula_%'
"""

DENIED: tuple[tuple[tuple[str, ...], LiteralString], ...] = (
    (BOTH, "UPDATE formula_events SET state = ''"),
    (BOTH, "DELETE FROM formula_events"),
    (BOTH, "TRUNCATE formula_events"),
    (BOTH, "ALTER TABLE formula_events DISABLE TRIGGER ALL"),
    (BOTH, "DROP TABLE formula_events"),
    (BOTH, "DELETE FROM formula_epoch"),
    (BOTH, "INSERT INTO formula_migrations (name, sha256) VALUES ('x', 'x')"),
    (BOTH, "CREATE ROLE another"),
    (BOTH, "ALTER ROLE formula_app SUPERUSER"),
    (BOTH, "SET ROLE formula"),
    (BOTH, "COPY formula_events TO PROGRAM 'cat'"),
    (BOTH, "SELECT pg_read_file('/etc/passwd')"),
    ((APP,), "UPDATE formula_motion_events SET state = ''"),
    ((APP,), "DELETE FROM formula_motion_events"),
    ((APP,), "UPDATE formula_checkpoints SET position = 0"),
    ((APP,), "UPDATE formula_jobs SET state = 'done'"),
    ((APP,), "DELETE FROM formula_job_log"),
    ((APP,), "DELETE FROM formula_generations"),
    ((APP,), "UPDATE formula_generations SET schema = 'analytics'"),
    ((APP,), "INSERT INTO formula_generations (schema, changed_at) VALUES ('x', now())"),
    ((APP,), "DELETE FROM formula_dead_letters"),
    ((APP,), "UPDATE formula_dead_letters SET error = NULL"),
    ((APP,), "DELETE FROM formula_skipped_events"),
    ((APP,), "CREATE SCHEMA mine"),
    ((APP,), "CREATE TABLE public.mine (x int)"),
    ((APP,), "UPDATE users SET name = 'x'"),
    ((APP,), "SET ROLE formula_projector"),
    ((PROJECTOR,), "SELECT hash FROM formula_credentials"),
    ((PROJECTOR,), "SELECT token_hash FROM formula_refresh_tokens"),
    ((PROJECTOR,), "UPDATE formula_refresh_tokens SET expires_at = now()"),
    ((PROJECTOR,), "SET ROLE formula_app"),
)  # fmt: skip


@pytest.fixture(scope="module")
def logins(
    databases: Databases, read_models: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """A database with read models, whose roles may log in."""
    with fresh_database(databases, read_models, tmp_path_factory.mktemp("roles")) as settings:
        with_logins(settings)
        yield settings


@pytest.mark.parametrize(
    ("role", "statement"), [(role, statement) for roles, statement in DENIED for role in roles]
)
def test_it_may_not(logins: Settings, role: str, statement: LiteralString) -> None:
    with psycopg.connect(as_(logins, role).database_url, autocommit=True) as db:
        schemas = db.execute("SELECT schema FROM formula_generations WHERE state = 'serving'")
        path = ", ".join(f'"{schema}"' for (schema,) in schemas)
        db.execute("SELECT set_config('search_path', %s, false)", (f"{path}, public",))
        with pytest.raises(errors.InsufficientPrivilege):
            db.execute(statement)


def test_of_every_table_is_said_who_may_what(logins: Settings) -> None:
    with psycopg.connect(logins.database_url) as db:
        found = {name for (name,) in db.execute(PUBLIC_TABLES)}
    assert found == TABLES.keys()


async def test_what_owners_made_before_there_were_roles_is_the_projectors(logins: Settings) -> None:
    """`read_models` was built by the owner: now projectors write it and the API reads it."""
    async with (
        open_runtime(as_(logins, PROJECTOR)) as runtime,
        projecting(runtime),
        open_runtime(as_(logins, APP)) as app,
    ):
        user = app.new_id()
        command = RegisterUser(email="eve@example.com", name="Eve", role=Role.MEMBER, at=app.now())
        outcome = await app.execute(SYSTEM, USER, user, command)
        async with reading(app, min_position=outcome.position, group="queries") as db:
            cursor = await db.execute("SELECT name FROM users WHERE id = %s", (user,))
            assert await cursor.fetchone() == ("Eve",)
        async with runtime.db.connection() as db:
            await make_partitions(db)


def test_granting_again_changes_nothing(logins: Settings) -> None:
    acls = (
        "SELECT relname, relowner::regrole, relacl::text FROM pg_class"
        " WHERE relname LIKE 'formula_%' ORDER BY oid"
    )
    with psycopg.connect(logins.database_url, autocommit=True) as owner:
        before = owner.execute(acls).fetchall()
        assert grant(owner)
        assert owner.execute(acls).fetchall() == before


def test_who_may_make_no_roles_is_told_and_goes_on(logins: Settings) -> None:
    """On a server where an owner without rights to roles migrates, all is the owner's."""
    with psycopg.connect(as_(logins, PROJECTOR).database_url, autocommit=True) as other:
        assert not grant(other)
