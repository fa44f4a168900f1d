"""Migrations on a real database: all of them make schema.sql, and each is applied once."""

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from infra.embedded import Embedded
from infra.settings import Settings
from migrations import runner
from migrations.runner import MigrationError, migrate, pending
from migrations.schema import SCHEMA, dump


def test_all_migrations_together_make_the_schema(settings: Settings) -> None:
    made = dump(settings.database_url)
    assert made == SCHEMA.read_text(), "run `python -m migrations.schema` and review the change"


def test_a_migrated_database_has_nothing_pending(settings: Settings) -> None:
    assert pending(settings.database_url) == []
    assert migrate(settings.database_url) == []


def test_an_empty_database_needs_them_all(servers: Embedded) -> None:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE never_migrated")
    names = pending(make_conninfo(servers.database_url, dbname="never_migrated"))
    assert names == [one.name for one in runner.migrations()]


def test_a_changed_migration_is_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in runner.FOLDER.glob("[0-9]*.sql"):
        (tmp_path / path.name).write_text(path.read_text() + "-- one more line\n")
    monkeypatch.setattr(runner, "FOLDER", tmp_path)
    with pytest.raises(MigrationError, match="0001_event_store was changed"):
        migrate(settings.database_url)


def test_a_migration_that_fails_changes_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in runner.FOLDER.glob("[0-9]*.sql"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "9999_bad.sql").write_text("CREATE TABLE half_made (x int); SELECT 1 / 0;")
    monkeypatch.setattr(runner, "FOLDER", tmp_path)
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(settings.database_url)
    with psycopg.connect(settings.database_url) as connection:
        row = connection.execute("SELECT to_regclass('half_made')").fetchone()
    assert row == (None,)
