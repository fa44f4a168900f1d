"""Where a measurement was made: without it no figure can be compared with another day's."""

import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

import msgspec
import psutil
import psycopg

PACKAGES = ("eventsourcing", "hdrhistogram", "msgspec", "psycopg", "uvloop")
SYNCS = 300
PAGE = b"\0" * 8192


class Environment(msgspec.Struct, frozen=True):
    """`load_1m` before the run: above 0.5 somebody else was using the machine."""

    at: str
    commit: str
    quick: bool
    cores: int
    memory_gib: float
    load_1m: float
    fdatasync_ms: float  # median of 8 KiB writes where Postgres's data is
    kernel: str
    python: str
    postgres: str
    packages: dict[str, str]


def environment(folder: Path, database_url: str, *, quick: bool) -> Environment:
    return Environment(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=_commit(),
        quick=quick,
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        load_1m=round(os.getloadavg()[0], 2),
        fdatasync_ms=round(fdatasync_ms(folder), 3),
        kernel=platform.release(),
        python=platform.python_version(),
        postgres=_postgres(database_url),
        packages={package: version(package) for package in PACKAGES},
    )


def fdatasync_ms(folder: Path) -> float:
    """The median time in which the disk makes a page durable: every commit waits for it."""
    path = folder / "fdatasync"
    with path.open("wb", buffering=0) as file:
        times = [_synced(file.fileno()) for _ in range(SYNCS)]
    path.unlink()
    return median(times) * 1_000


def _synced(file: int) -> float:
    start = time.perf_counter()
    os.write(file, PAGE)
    os.fdatasync(file)
    return time.perf_counter() - start


def _commit() -> str:
    """`unknown` outside of a checkout, `+` behind it where files were changed since."""
    describe = ["git", "describe", "--always", "--dirty=+", "--abbrev=12"]
    here = Path(__file__).parent
    done = subprocess.run(describe, check=False, capture_output=True, text=True, cwd=here)
    return done.stdout.strip() or "unknown"


def _postgres(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else "unknown"
