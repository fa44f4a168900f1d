"""Programs installed where the servers' user cannot go are copied to where it can."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from infra import programs
from infra.embedded import embedded_servers


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="formula-programs-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as another user")
def test_servers_start_from_a_private_installation(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = folder / "home"
    private.mkdir(mode=0o700)
    for package in (programs.POSTGRES, f"{programs.POSTGRES}.libs", programs.VALKEY):
        shutil.copytree(programs.installed(programs.POSTGRES) / package, private / package)

    def installed_there(_package: str) -> Path:
        return private

    monkeypatch.setattr(programs, "installed", installed_there)
    for _ in range(2):  # the second start finds the copies
        with (
            embedded_servers(folder / "data", durable=False) as servers,
            psycopg.connect(servers.database_url) as connection,
        ):
            assert connection.execute("SELECT 1").fetchone() == (1,)
    assert sorted(path.name for path in (folder / "data" / "programs").glob("*/*")) == [
        programs.POSTGRES,
        f"{programs.POSTGRES}.libs",
        programs.VALKEY,
    ]
