"""An export takes what there was when it began, and goes on where it was interrupted."""

import fcntl
from pathlib import Path
from uuid import uuid4

import pytest

from infra.eventstore.archive import ArchiveError
from infra.eventstore.files import Format
from infra.eventstore.transfer import export_log
from infra.runtime import Runtime
from infra.settings import Settings
from tests.integration.transfer.logs import MANY, STOCK, execute, exported, live, read


def test_an_export_ends_at_the_head_that_it_began_with(full: Settings, tmp_path: Path) -> None:
    conninfo, steps = full.database_url, list[str]()

    def append(step: str, _done: int, _of: int) -> None:
        steps.append(step)
        execute(conninfo, STOCK, uuid4(), b"{}")

    done = export_log(conninfo, tmp_path / "log.ndjson", Format.NDJSON, 1, append)
    assert len(steps) > 1
    assert (done.head, done.totals.rows, done.totals.last) == (MANY, MANY, MANY)
    assert read(tmp_path / "log.ndjson")[1] == done.totals


def test_an_export_goes_on_while_motion_is_dropped(full: Settings, tmp_path: Path) -> None:
    conninfo = full.database_url
    execute(conninfo, MOVED)

    def drop(_step: str, done: int, _of: int) -> None:
        if done == 1_000:
            execute(conninfo, DROP)
            execute(conninfo, "DROP TABLE formula_motion_events_00000000")

    done = export_log(conninfo, tmp_path / "log.ndjson", Format.NDJSON, 1, drop)
    assert (done.totals.events, done.totals.motion) == (MANY - MANY // 10, 100 + 1)
    assert done.totals.last == 1_000_001


MOVED = """
INSERT INTO formula_motion_events (position, participation, tag, state, recorded_at)
VALUES (1000001, gen_random_uuid(), 'motion.cursor.v1', '{}', now())
"""
DROP = "ALTER TABLE formula_motion_events DETACH PARTITION formula_motion_events_00000000"


async def test_an_export_goes_on_from_the_last_whole_line(runtime: Runtime, tmp_path: Path) -> None:
    await live(runtime)
    path, part = tmp_path / "log.ndjson", tmp_path / "log.ndjson.part"
    exported(runtime.settings, path)
    whole = path.read_bytes()
    head = whole.index(b"\n") + 1
    for cut in [*range(head, len(whole), len(whole) // 15), len(whole)]:
        for lost in (b"", b"\0" * 50):  # what a disk may hold after the power was cut
            part.write_bytes(whole[:cut] + lost)
            resumed = exported(runtime.settings, path).resumed
            assert path.read_bytes() == whole
            assert resumed == whole[head:cut].count(b"\n") - (cut == len(whole))


def test_an_export_does_not_go_on_with_another_one(full: Settings, tmp_path: Path) -> None:
    path, part = tmp_path / "log.ndjson", tmp_path / "log.ndjson.part"
    exported(full, path)
    path.rename(part)
    with pytest.raises(ArchiveError, match=r"another log or start: delete it"):
        exported(full, path, start=2)
    execute(full.database_url, "UPDATE formula_epoch SET salt = gen_random_uuid()")
    with pytest.raises(ArchiveError, match=r"another log or start: delete it"):
        exported(full, path)


def test_a_file_that_is_no_unfinished_export_is_left_alone(full: Settings, tmp_path: Path) -> None:
    (tmp_path / "log.ndjson.part").write_text("something dear\n")
    with pytest.raises(ArchiveError, match=r"another log or start: delete it"):
        exported(full, tmp_path / "log.ndjson")
    assert (tmp_path / "log.ndjson.part").read_text() == "something dear\n"


def test_two_exports_do_not_write_one_file(full: Settings, tmp_path: Path) -> None:
    path, part = tmp_path / "log.ndjson", tmp_path / "log.ndjson.part"
    with part.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ArchiveError, match="being written by another export"):
            exported(full, path)
    assert exported(full, path).totals.rows == MANY


def test_an_event_without_a_tag_is_not_exported(settings: Settings, tmp_path: Path) -> None:
    execute(settings.database_url, "INSERT INTO formula_events VALUES (gen_random_uuid(), 1)")
    with pytest.raises(ArchiveError, match="position 1 has no tag or no state"):
        exported(settings, tmp_path / "log.ndjson")
