"""The commands as processes: what they say, and what becomes of them when they are killed."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import msgspec
import psycopg
import pytest

from infra.eventstore.transfer import Transferred
from infra.settings import Settings, child_environment
from tests.infra.until import wait_until
from tests.integration.transfer.logs import (
    COUNT,
    MANY,
    NAMES,
    STOCK,
    execute,
    exported,
    fill,
    first,
    logged,
    names,
    read,
)

EVENTS = MANY - MANY // 10
LONG = 30_000  # takes long enough to be killed


# A suite that runs in the background of a script hands down that SIGINT is ignored.
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"


def started(settings: Settings, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", f"{HEARS}; from api.cli import main; main()", "store", *arguments],
        env=child_environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(settings: Settings, *arguments: str | Path) -> tuple[int, str, str]:
    child = started(settings, *arguments)
    out, err = child.communicate()
    return child.returncode, out, err


def interrupted(child: subprocess.Popen[str], number: int, midway: Callable[[], object]) -> str:
    """Send the signal once it is midway; what it said at its end."""
    wait_until(lambda: midway() or child.poll() is not None)
    child.send_signal(number)
    err = child.communicate()[1]
    assert child.returncode in {-signal.SIGKILL, 1}, err
    return err


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("log.ndjson", signal.SIGKILL),
        ("log.ndjson", signal.SIGINT),
        ("log.parquet", signal.SIGKILL),
    ],
)
def test_a_killed_export_goes_on(
    name: str, number: int, settings: Settings, tmp_path: Path
) -> None:
    fill(settings.database_url, LONG)
    whole = exported(settings, tmp_path / f"whole-{name}")
    path, part = tmp_path / name, tmp_path / f"{name}.part"
    child = started(settings, "export", path)
    said = interrupted(child, number, lambda: part.exists() and part.stat().st_size > 1_000)
    assert ("the same command goes on" in said) == (number == signal.SIGINT)
    execute(settings.database_url, STOCK, uuid4(), b"{}")
    code, out, err = finished(settings, "export", path, "--json")
    assert (code, err) == (0, "")
    done = msgspec.json.decode(out, type=Transferred)
    assert 0 < done.resumed < LONG
    assert (done.head, done.totals) == (whole.head, whole.totals)
    assert read(path) == read(tmp_path / f"whole-{name}")
    assert names(tmp_path) == [name, f"whole-{name}"]


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_import_goes_on(
    name: str, settings: Settings, target: Settings, tmp_path: Path
) -> None:
    fill(settings.database_url, LONG)
    exported(settings, tmp_path / name)
    with psycopg.connect(target.database_url, autocommit=True) as db:
        child = started(target, "import", tmp_path / name)
        interrupted(child, signal.SIGKILL, lambda: first(db, COUNT) > 0)
        wait_until(lambda: first(db, OTHERS) == 0)
    stored, moved = logged(target.database_url)
    assert stored == logged(settings.database_url)[0][: len(stored)]
    code, out, err = finished(target, "import", tmp_path / name, "--json")
    assert (code, err) == (0, "")
    assert msgspec.json.decode(out, type=Transferred).resumed == len(stored) + len(moved) < LONG
    assert logged(target.database_url) == logged(settings.database_url)


OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def test_the_commands_say_what_they_did(full: Settings, target: Settings, tmp_path: Path) -> None:
    path = tmp_path / "[log].data"  # brackets are markup to rich
    code, out, err = finished(full, "export", path, "--format", "parquet")
    assert (code, err) == (0, "")
    assert f"exported {EVENTS:,} events and {MANY - EVENTS} motion facts to {path}" in out
    code, out, err = finished(target, "import", path)
    assert (code, err) == (0, "")
    assert f"imported {EVENTS:,} events and {MANY - EVENTS} motion facts from {path}" in out
    assert f"positions 1 to {MANY}, sha256" in out


@pytest.mark.parametrize("command", ["export", "import"])
def test_the_commands_fail_with_one_line(command: str, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("not a log\n")
    code, out, err = finished(settings, command, tmp_path / "log.txt")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("formula: ")
