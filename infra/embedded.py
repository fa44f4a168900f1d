"""Embedded servers: real PostgreSQL and Valkey from their wheels, as children on loopback."""

import os
import pwd
import shutil
import subprocess
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from signal import SIGINT, SIGTERM

import msgspec
import psycopg
from anyio.from_thread import start_blocking_portal
from redis.asyncio import Redis
from redis.exceptions import RedisError

from infra.db import connect
from infra.folder import (
    EmbeddedError,
    full,
    hold_folder,
    kept_password,
    kept_port,
    make_private_folder,
    require_owner,
    require_reachable,
    require_space,
    server_user,
    usable,
    write_private,
)
from infra.processes import ProcessSpec, end_leftovers
from infra.programs import POSTGRES, VALKEY, postgres_programs, reachable, valkey_program
from infra.supervisor import Supervisor

DATABASE = ROLE = "formula"
RECOVERY_S = 300.0  # Postgres replays up to max_wal_size after a crash before it answers
SCRAM_ITERATIONS = (
    1  # the password is random: 4,096 would guard it no better, and slow each session
)
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    # Who drops a table or database waits for half-open sessions, and by default for a minute.
    "authentication_timeout": "10s",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_preload_libraries": "pg_stat_statements",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
VALKEY_SETTINGS = """\
bind 127.0.0.1
port {port}
requirepass {password}
daemonize no
dir ./
appendonly yes
appendfsync everysec
save ""
"""


class Server(msgspec.Struct, frozen=True):
    """A server that is ready to be started by a supervisor, and its address with the password."""

    url: str
    spec: ProcessSpec


class Embedded(msgspec.Struct, frozen=True):
    """Where the embedded servers answer."""

    database_url: str
    redis_url: str


@contextmanager
def embedded_servers(folder: Path, *, durable: bool = True) -> Generator[Embedded]:
    """Both servers of `folder`, running until the block is left.

    `durable=False` makes a new folder without waiting for the disk; commits still do.
    """
    with hold_folder(folder) as held, start_blocking_portal() as portal:
        servers = [prepare_postgres(held, durable=durable), prepare_valkey(held)]
        running = _running(*(server.spec for server in servers))
        with portal.wrap_async_context_manager(running):
            yield embedded_urls(held)


@asynccontextmanager
async def _running(*specs: ProcessSpec) -> AsyncGenerator[None]:
    async with Supervisor() as supervisor:
        await supervisor.start(*specs)
        yield


def embedded_urls(folder: Path) -> Embedded:
    """Where a folder's servers answer while they run. Raises EmbeddedError if they never did."""
    with usable(folder):
        return Embedded(_postgres_url(folder), _valkey_url(folder))


def _postgres_url(folder: Path) -> str:
    password, port = _read(folder, "postgres")
    return f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}"


def _valkey_url(folder: Path) -> str:
    password, port = _read(folder, "valkey")
    return f"redis://:{password}@127.0.0.1:{port}/0"


def _read(folder: Path, name: str) -> tuple[str, str]:
    return (folder / f"{name}.password").read_text(), (folder / f"{name}.port").read_text()


def prepare_postgres(folder: Path, *, durable: bool = True) -> Server:
    """A cluster in `folder` (held by hold_folder), made if there is none. Raises EmbeddedError."""
    user, data = server_user(), folder / "postgres"
    _require_usable(folder, user)
    with usable(folder):
        programs = postgres_programs(reachable(POSTGRES, folder, user))
    clear = partial(_clear_postgres, data)
    with usable(folder):
        clear()
        kept_password(folder / "postgres.password", user)
        port = kept_port(folder / "postgres.port", user)
        if not data.exists():
            _make_cluster(folder, data, programs, user, durable=durable)
        require_owner(data, user)
        _require_version(data, programs)
    url = _postgres_url(folder)
    settings = POSTGRES_SETTINGS | {"port": str(port)}
    return Server(
        url,
        ProcessSpec(
            name="postgres",
            argv=(str(programs / "postgres"), "-D", str(data), *_flags(settings)),
            env=ENVIRONMENT,
            cwd=data,
            user=user.pw_name,
            before=clear,
            ready=partial(_postgres_answers, url),
            start_timeout_s=RECOVERY_S,
            stop_signal=SIGINT,  # a fast shutdown; TERM would wait for clients to leave
            stop_timeout_s=15.0,
            death_signal=SIGINT,
            log_file=folder / "logs" / "postgres.log",
        ),
    )


def prepare_valkey(folder: Path) -> Server:
    """A server in `folder` (held by hold_folder), made if there is none. Raises EmbeddedError."""
    user, data = server_user(), folder / "valkey"
    _require_usable(folder, user)
    with usable(folder):
        program = valkey_program(reachable(VALKEY, folder, user))
    clear = partial(end_leftovers, data, program.name, SIGTERM)
    with usable(folder):
        clear()
        password = kept_password(folder / "valkey.password", user)
        port = kept_port(folder / "valkey.port", user)
        if not data.exists():
            make_private_folder(data, user)
        require_owner(data, user)
        # A file, since everybody may read a process's arguments.
        settings = VALKEY_SETTINGS.format(port=port, password=password)
        write_private(data / "valkey.conf", settings, user)
    url = _valkey_url(folder)
    return Server(
        url,
        ProcessSpec(
            name="valkey",
            argv=(str(program), str(data / "valkey.conf")),
            env=ENVIRONMENT,
            cwd=data,
            user=user.pw_name,
            before=clear,
            ready=partial(_valkey_answers, url),
            death_signal=SIGTERM,  # what it holds is written before it ends
            log_file=folder / "logs" / "valkey.log",
        ),
    )


def _require_usable(folder: Path, user: pwd.struct_passwd) -> None:
    require_reachable(folder, user, "choose another folder with FORMULA_DATA")
    require_space(folder)


def _clear_postgres(data: Path) -> None:
    end_leftovers(data, "postgres", SIGINT)
    # Nobody runs on it now, but its pid may be another process's by now: Postgres would not start.
    (data / "postmaster.pid").unlink(missing_ok=True)


def _make_cluster(
    folder: Path, data: Path, programs: Path, user: pwd.struct_passwd, *, durable: bool
) -> None:
    """Made under another name and then renamed: a cluster is there whole or not at all."""
    draft = folder / "postgres.new"
    if draft.exists():
        shutil.rmtree(draft)
    make_private_folder(draft, user)
    run = partial(_run_as, user, folder)
    run(
        programs / "initdb",
        *("-D", str(draft), "--username", ROLE, "--pwfile", str(folder / "postgres.password")),
        *("--auth", "scram-sha-256", "--data-checksums", "--encoding", "UTF8", "--locale", "C"),
        *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
        *("-c", f"scram_iterations={SCRAM_ITERATIONS}"),
        *(() if durable else ("--no-sync",)),
    )
    single = ("--single", "-D", str(draft), "-c", "exit_on_error=on", "postgres")
    run(programs / "postgres", *single, typed=f"CREATE DATABASE {DATABASE}")
    draft.rename(data)


def _run_as(
    user: pwd.struct_passwd, folder: Path, program: Path, *arguments: str, typed: str = ""
) -> None:
    """Run one of Postgres's programs to its end. Raises EmbeddedError with its last line."""
    done = subprocess.run(  # noqa: S603, a program of the wheel with arguments of our own
        [program, *arguments],
        input=typed,
        capture_output=True,
        check=False,
        text=True,
        cwd=folder,
        env=ENVIRONMENT,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[] if os.geteuid() == 0 else None,  # only root may change them, or needs to
    )
    if "No space left on device" in done.stderr:
        raise full(folder)
    if done.returncode != 0:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise EmbeddedError(f"{program.name} failed in {folder}: {last}")


def _require_version(data: Path, programs: Path) -> None:
    """A newer major version of Postgres does not read an older one's folder."""
    found = (data / "PG_VERSION").read_text().strip()
    program = [programs / "postgres", "--version"]
    answer = subprocess.run(program, check=True, capture_output=True, text=True)  # noqa: S603, as above
    ours = answer.stdout.split()[-1].partition(".")[0]
    if found != ours:
        raise EmbeddedError(
            f"{data} was made by PostgreSQL {found} and this is {ours}: run `formula store export` "
            "with the version of Formula that made it, then import into a new folder"
        )


def _flags(settings: dict[str, str]) -> Iterator[str]:
    for name, value in settings.items():
        yield from ("-c", f"{name}={value}")


async def _postgres_answers(url: str) -> bool:
    try:
        async with await connect(url, connect_timeout=2) as connection:
            await connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


async def _valkey_answers(url: str) -> bool:
    async with Redis.from_url(  # pyright: ignore[reportUnknownMemberType]  # untyped options
        url, socket_timeout=2
    ) as redis:
        try:
            return await redis.ping()  # pyright: ignore[reportUnknownMemberType]  # the same
        except RedisError:
            return False
