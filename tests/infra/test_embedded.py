"""The embedded servers: the real ones, killed in every way."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
from redis import Redis
from redis.exceptions import RedisError

import infra
from infra.embedded import (
    Embedded,
    embedded_servers,
    embedded_urls,
    prepare_postgres,
    prepare_valkey,
)
from infra.folder import EmbeddedError, hold_folder, server_user
from infra.processes import running_in
from infra.supervisor import ProcessState, State, Supervisor
from tests.infra.until import until, wait_until

pytestmark = pytest.mark.services
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root switches to another user")
ROOT = Path(infra.__file__).parents[1]


@pytest.fixture
def folder() -> Generator[Path]:
    """A data folder that every user can reach: pytest's own are closed to all but their owner."""
    parent = Path(tempfile.mkdtemp(prefix="formula-"))
    parent.chmod(0o755)
    yield parent / "data"
    for process in left(parent / "data"):  # only a test that failed leaves any
        process.kill()
    shutil.rmtree(parent)


def left(folder: Path) -> list[psutil.Process]:
    postgres = running_in(folder / "postgres", "postgres")
    return postgres + running_in(folder / "valkey", "valkey-server")


def query(embedded: Embedded, sql: bytes) -> list[tuple[object, ...]]:
    with psycopg.connect(embedded.database_url, autocommit=True) as db:
        cursor = db.execute(sql)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def redis(embedded: Embedded) -> Generator[Redis]:
    with Redis.from_url(embedded.redis_url) as client:  # pyright: ignore[reportUnknownMemberType]
        yield client


@contextmanager
def program(folder: Path) -> Generator[subprocess.Popen[str]]:
    """Another process that keeps the servers of `folder` running."""
    command = [sys.executable, "-m", "tests.infra.supervised", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as running:
        try:
            assert running.stdout is not None
            assert any(line == "running\n" for line in running.stdout)
            yield running
        finally:
            running.kill()


def start_unsupervised(*command: str, cwd: Path) -> subprocess.Popen[bytes]:
    user, nowhere = server_user(), subprocess.DEVNULL
    return subprocess.Popen(
        command, cwd=cwd, user=user.pw_uid, group=user.pw_gid, stdout=nowhere, stderr=nowhere
    )


def answers(embedded: Embedded) -> bool:
    try:
        with redis(embedded) as client:
            client.get("any")
            return query(embedded, b"SELECT 1") == [(1,)]
    except (psycopg.OperationalError, RedisError):
        return False


def test_both_servers_answer_and_leave_nothing_behind(folder: Path) -> None:
    with embedded_servers(folder, durable=False) as embedded:
        settings = b"SELECT current_setting('fsync'), current_setting('data_checksums')"
        assert query(embedded, settings) == [("on", "on")]
        assert left(folder)
    assert left(folder) == []


def test_a_restart_keeps_the_data_and_the_addresses(folder: Path) -> None:
    with embedded_servers(folder, durable=False) as first, redis(first) as client:
        query(first, b"CREATE TABLE kept AS SELECT 42 AS answer")
        client.set("kept", "42")
    with embedded_servers(folder) as second, redis(second) as client:
        assert second == first == embedded_urls(folder)
        assert query(second, b"SELECT answer FROM kept") == [(42,)]
        assert client.get("kept") == b"42"


def test_nobody_gets_in_without_the_password(folder: Path) -> None:
    with embedded_servers(folder, durable=False) as embedded:
        password = (folder / "postgres.password").read_text()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(embedded.database_url.replace(password, "guess"))
        arguments = [" ".join(process.cmdline()) for process in left(folder)]
        for name in ("postgres.password", "valkey.password"):
            assert (folder / name).stat().st_mode & 0o077 == 0
            assert not any((folder / name).read_text() in line for line in arguments)


def test_a_killed_supervisor_leaves_no_process_behind(folder: Path) -> None:
    with program(folder) as supervisor:
        ended = psutil.Process(supervisor.pid).children(recursive=True)
        assert {process.name() for process in ended} == {"postgres", "valkey-server"}
        supervisor.kill()
        wait_until(lambda: not left(folder))


def test_a_supervisor_killed_a_moment_ago_does_not_hinder_the_next(folder: Path) -> None:
    with program(folder) as supervisor:
        query(embedded_urls(folder), b"CREATE TABLE kept AS SELECT 42 AS answer")
        supervisor.kill()
        supervisor.wait()
        with embedded_servers(folder) as embedded:
            assert query(embedded, b"SELECT answer FROM kept") == [(42,)]
    assert left(folder) == []


def test_servers_that_outlived_their_supervisor_are_ended_by_the_next(folder: Path) -> None:
    with hold_folder(folder) as held:
        servers = [prepare_postgres(held, durable=False), prepare_valkey(held)]
        orphans = [start_unsupervised(*server.spec.argv, cwd=server.spec.cwd) for server in servers]
        wait_until(lambda: answers(embedded_urls(held)))
    with embedded_servers(folder) as embedded:
        assert [orphan.wait(0.1) for orphan in orphans] == [0, 0]  # ended cleanly
        assert query(embedded, b"SELECT 1") == [(1,)]


@pytest.mark.faults
async def test_a_killed_server_is_restarted_with_its_data(folder: Path) -> None:
    with hold_folder(folder) as held:
        servers = [prepare_postgres(held, durable=False), prepare_valkey(held)]
        embedded = embedded_urls(held)
        async with Supervisor() as supervisor:
            await supervisor.start(*(server.spec for server in servers))
            await asyncio.to_thread(query, embedded, b"CREATE TABLE kept AS SELECT 42 AS answer")
            for child in supervisor.state():
                assert child.pid is not None
                os.kill(child.pid, signal.SIGKILL)
            await until(lambda: all(restarted(child) for child in supervisor.state()))
            answer = await asyncio.to_thread(query, embedded, b"SELECT answer FROM kept")
            assert answer == [(42,)]
    assert left(folder) == []


def restarted(child: ProcessState) -> bool:
    return child.state == State.READY and child.restarts > 0


@pytest.mark.faults
def test_a_pid_file_whose_pid_is_now_anothers_does_not_hinder_a_start(folder: Path) -> None:
    with embedded_servers(folder, durable=False):
        stale = (folder / "postgres" / "postmaster.pid").read_text()
    with start_unsupervised("sleep", "1000", cwd=folder) as other:
        _, _, rest = stale.partition("\n")
        (folder / "postgres" / "postmaster.pid").write_text(f"{other.pid}\n{rest}")
        try:
            with embedded_servers(folder) as embedded:
                assert query(embedded, b"SELECT 1") == [(1,)]
            assert other.poll() is None  # and the other was left alone
        finally:
            other.kill()


@AS_ROOT
def test_a_folder_the_servers_cannot_reach_is_refused_with_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedError) as caught, embedded_servers(tmp_path / "data"):
        pass
    assert str(caught.value) == (
        f"the user embedded_postgres cannot get through {tmp_path}: "
        "choose another folder with FORMULA_DATA"
    )
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@AS_ROOT
def test_servers_do_not_run_as_root(folder: Path) -> None:
    with embedded_servers(folder, durable=False):
        assert {process.username() for process in left(folder)} == {"embedded_postgres"}


@AS_ROOT
def test_a_full_disk_is_refused_with_one_line(folder: Path) -> None:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=False
    )
    if mounted.returncode != 0:
        pytest.skip("may not mount a small disk here")
    try:
        refusal = pytest.raises(EmbeddedError, match=r"^the disk of .* is full: .*FORMULA_DATA$")
        with refusal, embedded_servers(folder):
            pass
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_folder_that_cannot_be_made_is_refused_with_one_line(folder: Path) -> None:
    folder.touch()
    refusal = pytest.raises(EmbeddedError, match=r"^cannot use .*FORMULA_DATA$")
    with refusal, embedded_servers(folder):
        pass


def test_a_folder_of_another_postgres_is_refused_with_one_line(folder: Path) -> None:
    with hold_folder(folder) as held:
        prepare_postgres(held, durable=False)
        (folder / "postgres" / "PG_VERSION").write_text("17\n")
        with pytest.raises(EmbeddedError, match="made by PostgreSQL 17 and this is 18") as caught:
            prepare_postgres(held)
    assert str(caught.value).count("\n") == 0


def test_a_cluster_that_was_left_half_made_is_made_anew(folder: Path) -> None:
    (folder / "postgres.new").mkdir(parents=True)
    (folder / "postgres.new" / "PG_VERSION").write_text("18\n")
    with embedded_servers(folder, durable=False) as embedded:
        assert query(embedded, b"SELECT 1") == [(1,)]
