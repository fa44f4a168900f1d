"""What an import refuses; it changes nothing then."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import msgspec
import psycopg
import pytest

from infra.eventstore import restore
from infra.eventstore.archive import ArchiveError, Digest, Row, encoded, packed
from infra.eventstore.files import open_archive
from infra.eventstore.restore import import_log
from infra.settings import Settings
from tests.integration.transfer.logs import (
    COUNT,
    MANY,
    NAMES,
    NEXT_POSITION,
    SALT,
    STOCK,
    ask,
    execute,
    exported,
    fill,
    imported,
    logged,
)


def refused(settings: Settings, path: Path, reason: str) -> None:
    """The import is refused, and changes nothing."""
    before = state(settings.database_url)
    with pytest.raises(ArchiveError, match=reason):
        imported(settings, path)
    assert state(settings.database_url) == before


def state(conninfo: str) -> tuple[object, ...]:
    return logged(conninfo), ask(conninfo, SALT), ask(conninfo, NEXT_POSITION)


def forged(path: Path, change: Callable[[list[Row]], None]) -> Path:
    """The export with some rows changed, and totals that agree."""
    archive, digest = open_archive(path), Digest()
    rows = list(archive.rows(Digest()))
    change(rows)
    digest.add(rows, encoded(rows))
    parts = (archive.header, *rows, digest.totals())
    path.write_bytes(msgspec.json.Encoder().encode_lines(parts))
    return path


def skip_a_version(rows: list[Row]) -> None:
    rows[150] = msgspec.structs.replace(rows[150], version=9)


def repeat_a_command(rows: list[Row]) -> None:
    rows[150] = msgspec.structs.replace(rows[150], command_id=rows[20].command_id)


def come_from_a_newer_version(rows: list[Row]) -> None:
    rows[150] = msgspec.structs.replace(rows[150], tag="newer.thing.v1")


def be_too_large(rows: list[Row]) -> None:
    rows[150] = msgspec.structs.replace(rows[150], state=packed(b'{"a":"%s"}' % (b"x" * 2**18)))


def step_back(rows: list[Row]) -> None:
    rows[150] = msgspec.structs.replace(rows[150], position=150)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (skip_a_version, r"version 9 of stream \S+ where 2 comes next"),
        (repeat_a_command, r"command \S+ comes twice"),
        (come_from_a_newer_version, r"unknown event 'newer.thing.v1': import with the version"),
        (be_too_large, r"its state is 262152 bytes, at most 262144"),
        (step_back, r"position 150 does not come after 150"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_imported(
    change: Callable[[list[Row]], None],
    reason: str,
    full: Settings,
    target: Settings,
    tmp_path: Path,
) -> None:
    exported(full, tmp_path / "log.ndjson")
    refused(target, forged(tmp_path / "log.ndjson", change), rf"log\.ndjson, line 152: {reason}")


@pytest.mark.parametrize("name", NAMES)
def test_a_torn_file_changes_nothing(
    name: str, full: Settings, target: Settings, tmp_path: Path
) -> None:
    exported(full, tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    refused(target, tmp_path / name, f"{name} is torn")


def test_an_altered_file_changes_nothing(full: Settings, target: Settings, tmp_path: Path) -> None:
    exported(full, tmp_path / "log.ndjson")
    data = (tmp_path / "log.ndjson").read_bytes()
    (tmp_path / "log.ndjson").write_bytes(data.replace(b'"n":7}', b'"n":8}', 1))
    refused(target, tmp_path / "log.ndjson", r"log\.ndjson was altered: .* Export the log again")


def test_a_part_of_the_log_can_be_exported_but_not_imported(
    full: Settings, target: Settings, tmp_path: Path
) -> None:
    done = exported(full, tmp_path / "log.ndjson", start=MANY - 9)
    assert (done.totals.first, done.totals.rows) == (MANY - 9, 10)
    refused(target, tmp_path / "log.ndjson", f"begins at position {MANY - 9}: only a whole log")


def test_a_log_of_something_else_is_left_alone(
    full: Settings, target: Settings, tmp_path: Path
) -> None:
    exported(full, tmp_path / "log.ndjson")
    fill(target.database_url, 10)  # other command ids and times
    refused(target, tmp_path / "log.ndjson", r"not empty, .* import into a new database")


@pytest.mark.parametrize("more", [1, MANY + 1])
def test_a_log_that_goes_on_elsewhere_is_left_alone(
    more: int, full: Settings, target: Settings, tmp_path: Path
) -> None:
    exported(full, tmp_path / "log.ndjson")
    imported(target, tmp_path / "log.ndjson")
    execute(target.database_url, "DELETE FROM formula_motion_events WHERE position = %s", MANY)
    execute(target.database_url, ELSEWHERE, MANY - 1 + more)
    refused(target, tmp_path / "log.ndjson", r"not empty, .* import into a new database")


def test_a_log_that_holds_more_is_left_alone(
    full: Settings, target: Settings, tmp_path: Path
) -> None:
    execute(full.database_url, "DELETE FROM formula_motion_events WHERE position = 10")
    exported(full, tmp_path / "log.ndjson")
    fill(target.database_url, MANY)
    refused(target, tmp_path / "log.ndjson", r"not empty, .* import into a new database")


ELSEWHERE = """
INSERT INTO formula_events (originator_id, originator_version, topic, state, notification_id)
VALUES (gen_random_uuid(), 1, 'motion.cursor.v1', '{}', %s)
"""


def test_who_appends_while_a_file_is_read_ends_the_import(
    full: Settings, target: Settings, tmp_path: Path
) -> None:
    exported(full, tmp_path / "log.ndjson")

    def append(step: str, done: int, _of: int) -> None:
        if (step, done) == ("reading", MANY):
            execute(target.database_url, STOCK, uuid4(), b"{}")

    with pytest.raises(ArchiveError, match="grew while it was imported"):
        import_log(target.database_url, tmp_path / "log.ndjson", 0, append)
    assert ask(target.database_url, COUNT) == 1


def test_an_import_waits_for_no_other_for_ever(
    full: Settings, target: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported(full, tmp_path / "log.ndjson")
    monkeypatch.setattr(restore, "SESSION", "-c lock_timeout=50ms")
    with psycopg.connect(target.database_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(5014001)")
        refused(target, tmp_path / "log.ndjson", "the log is locked: wait until")
    imported(target, tmp_path / "log.ndjson")


def test_what_was_stored_is_read_again(full: Settings, target: Settings, tmp_path: Path) -> None:
    exported(full, tmp_path / "log.ndjson")

    def alter(step: str, done: int, of: int) -> None:
        if step == "storing" and done == of:
            execute(target.database_url, "UPDATE formula_events SET state = '{}' WHERE topic <> ''")

    with pytest.raises(ArchiveError, match=r"reads back otherwise than .*log\.ndjson"):
        import_log(target.database_url, tmp_path / "log.ndjson", 0, alter)
