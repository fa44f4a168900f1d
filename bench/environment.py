"""Where a measurement was made: without it no figure can be compared with another day's."""

# redis's types are partly unknown:
# pyright: reportUnknownMemberType=false

import os
import platform
import shutil
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

import msgspec
import psutil
import psycopg
import redis

PACKAGES = (
    *("boto3", "eventsourcing", "hdrhistogram", "litestar", "msgspec", "pillow", "psycopg"),
    *("taskiq", "taskiq-redis", "uvloop"),
)
UNKNOWN = "unknown"
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
    cpu: str = UNKNOWN  # as are the next two of runs before they were written down
    valkey: str = UNKNOWN
    node: str = UNKNOWN  # or "none"


def environment(folder: Path, database_url: str, redis_url: str, *, quick: bool) -> Environment:
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
        cpu=_cpu(),
        valkey=_valkey(redis_url),
        node=_node(),
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
    return done.stdout.strip() or UNKNOWN


def _postgres(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else UNKNOWN


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _valkey(redis_url: str) -> str:
    with redis.Redis.from_url(redis_url) as connection:
        found = connection.info("server")
    return str(found.get("valkey_version") or found["redis_version"])


def _node() -> str:
    """What the peers on Node run on."""
    if shutil.which("node") is None:
        return "none"
    done = subprocess.run(["node", "--version"], check=False, capture_output=True, text=True)
    return done.stdout.strip().removeprefix("v") or UNKNOWN
