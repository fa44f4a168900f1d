"""What a new installation gets wrong, one check each: what is so, and what to do about it."""

import asyncio
import os
import pwd
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import psycopg
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError, ResponseError

from api.commands.failures import said
from api.listening import listen
from domain.errors import Refused
from infra.blobs.model import Unavailable
from infra.folder import LEAST_FREE, SERVER_USER, EmbeddedError, require_reachable
from infra.instance import find_instance
from infra.monitoring.rules import load_rules
from infra.nodes import ROLES, nodes
from infra.replica import standing
from infra.runtime import Clock, Runtime
from infra.settings import Settings, SettingsError
from infra.smtp import smtp_options
from infra.webhooks import hook_of
from migrations.runner import pending
from projections.projector import lag

MIB, GIB = 1 << 20, 1 << 30
LITTLE_SPACE = 2 * GIB
MIN_SECRET = 32  # bytes: a key as long as HS256's hash (RFC 7518, 3.2)
MOST_SKEW_S = 1.0
MOST_LAG = 10_000  # positions
MOST_BEHIND = 64 * MIB  # of WAL
REACH_S = 5.0


class Check(msgspec.Struct, frozen=True):
    """`state`: ok, warn, fail; skip where it cannot be told now."""

    name: str
    state: str
    detail: str


def of_machine(settings: Settings) -> Iterator[Check]:
    """What can be told whether Formula runs or not."""
    yield _python()
    yield from _folder(settings)
    yield _port(settings)
    yield _secret(settings)
    yield _storage(settings)
    yield _alerts(settings)


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    right = sys.version_info[:2] == (3, 11)
    return Check("Python", "ok" if right else "fail", version if right else f"{version}: use 3.11")


def _folder(settings: Settings) -> Iterator[Check]:
    folder = settings.data
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK):
        yield Check("data folder", "fail", f"{there} is not writable: choose another FORMULA_DATA")
    elif not settings.database_url and (problem := _unreachable(there)):
        yield Check("data folder", "fail", problem)
    else:
        yield Check("data folder", "ok", str(folder))
    free = shutil.disk_usage(there).free
    state = "fail" if free < LEAST_FREE else "warn" if free < LITTLE_SPACE else "ok"
    yield Check("disk", state, f"{free / GIB:.1f} GiB free")


def _unreachable(folder: Path) -> str:
    """As root, the embedded servers run as a user of their own, who must get through."""
    if os.geteuid() != 0:
        return ""
    try:
        user = pwd.getpwnam(SERVER_USER)
        require_reachable(folder, user, "choose another folder with FORMULA_DATA")
    except EmbeddedError as error:
        return str(error)
    except KeyError:  # made on the first start
        return ""
    return ""


def _port(settings: Settings) -> Check:
    instance = find_instance(settings.data)
    if instance is not None:
        return Check("port", "ok", f"{instance.port}, ours (process {instance.pid})")
    try:
        listen(settings).close()
    except OSError as error:
        return Check("port", "fail", str(error))
    return Check("port", "ok", f"{settings.port} is free")


def _secret(settings: Settings) -> Check:
    size = len(settings.jwt_secret.encode())
    if not size:
        return Check("JWT secret", "ok", "made in the data folder on the first start")
    if size < MIN_SECRET:
        detail = f"JWT_SECRET has {size} bytes: use at least {MIN_SECRET}, random"
        return Check("JWT secret", "fail", detail)
    return Check("JWT secret", "ok", f"{size} bytes")


def _storage(settings: Settings) -> Check:
    keys = {
        "AWS_ACCESS_KEY_ID": settings.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key,
        "AWS_S3_BUCKET": settings.aws_s3_bucket,
    }
    missing = [name for name, value in keys.items() if not value]
    if not missing and not settings.local_storage_enabled:
        return Check("file storage", "ok", f"S3 bucket {settings.aws_s3_bucket}")
    if 0 < len(missing) < len(keys):
        return Check("file storage", "fail", f"S3 is half set: {', '.join(missing)} missing")
    if not settings.local_storage_enabled:
        return Check("file storage", "fail", "neither S3 keys nor LOCAL_STORAGE_ENABLED")
    if not settings.local_storage_key and settings.database_url and settings.redis_url:
        detail = "LOCAL_STORAGE_KEY is not set: only `formula up` makes one"
        return Check("file storage", "warn", detail)
    return _writable("file storage", Path(settings.local_storage_path).resolve())


def _alerts(settings: Settings) -> Check:
    try:
        rules, hook = load_rules(settings), hook_of(settings)
    except SettingsError as error:
        return Check("alerts", "fail", str(error))
    told = f", {hook.host} is told" if hook else ""
    return Check("alerts", "ok", f"{len(rules)} rules{told}")


def _writable(name: str, folder: Path) -> Check:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if os.access(there, os.W_OK):
        return Check(name, "ok", f"folder {folder}")
    return Check(name, "fail", f"{there} is not writable")


async def of_mail(settings: Settings) -> Check:
    if not settings.smtp_url:
        return _writable("mail", settings.mailbox)
    try:
        options = smtp_options(settings.smtp_url)
    except SettingsError as error:
        return Check("mail", "fail", str(error))
    host, port = options["hostname"], options["port"]
    try:
        async with asyncio.timeout(REACH_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        return Check("mail", "fail", f"{host}:{port} does not answer ({error}): check SMTP_URL")
    writer.close()
    return Check("mail", "ok", f"{host}:{port} answers")


async def of_services(runtime: Runtime) -> AsyncIterator[Check]:
    """What can be told of servers that run."""
    async for check in _postgres(runtime):
        yield check
    yield await of_replica(runtime)
    yield await _redis(runtime)
    if runtime.cluster is not None:
        yield await _cluster(runtime.cluster)
    if runtime.blobs.far is not None:
        yield await _s3(runtime)
    waiting = pending(runtime.settings.database_url)
    if waiting:
        yield Check("migrations", "fail", f"{', '.join(waiting)} pending: run `formula migrate`")
        return
    yield Check("migrations", "ok", "up to date")
    yield await _processes(runtime)
    behind = {name: count for name, count in (await lag(runtime)).items() if count > MOST_LAG}
    told = ", ".join(f"{name} {count}" for name, count in behind.items())
    yield Check("lag", "warn" if behind else "ok", told or f"all below {MOST_LAG} positions")


async def _postgres(runtime: Runtime) -> AsyncIterator[Check]:
    async with runtime.db.connection() as db:
        cursor = await db.execute(
            "SELECT current_setting('server_version'), current_setting('fsync'),"
            " current_setting('max_connections')::int, clock_timestamp()"
        )
        version, fsync, most, at = await anext(cursor)
    yield Check("Postgres", "ok", version)
    detail = "on" if fsync == "on" else "off: a crash can lose what was acknowledged"
    yield Check("fsync", "ok" if fsync == "on" else "fail", detail)
    needed = len(ROLES) * runtime.settings.database_pool_size + 20  # and leaders and listeners
    enough = most >= needed
    detail = f"{most}, {needed} needed for one process of each role"
    yield Check("max_connections", "ok" if enough else "warn", detail)
    skew = abs((at - Clock().now()).total_seconds())
    detail = f"{skew:.2f} s between this machine and Postgres"
    yield Check("clock", "ok" if skew < MOST_SKEW_S else "warn", detail)


async def of_replica(runtime: Runtime) -> Check:
    """Only a warning: the primary answers what a replica does not."""
    url = runtime.settings.database_replica_url
    if not url:
        return Check("replica", "ok", "none: the primary answers everything")
    try:
        found = await standing(runtime.db, url)
    except psycopg.OperationalError as error:
        return Check("replica", "warn", f"{said(error)}: check DATABASE_REPLICA_URL")
    if not found.standby:
        return Check("replica", "warn", "no standby, so not asked: check DATABASE_REPLICA_URL")
    if not found.receives:
        return Check("replica", "warn", "receives nothing, so not asked: check primary_conninfo")
    behind = found.behind or 0
    late = "warn" if behind > MOST_BEHIND else "ok"
    return Check("replica", late, f"a standby, {behind / MIB:.1f} MiB behind the primary")


async def _redis(runtime: Runtime) -> Check:
    try:
        await runtime.redis.ping()  # pyright: ignore[reportUnknownMemberType]  # untyped in redis
        kept = await runtime.redis.config_get("appendonly")  # pyright: ignore[reportUnknownMemberType]  # the same
    except ResponseError:  # a hosted one, where CONFIG is not allowed
        return Check("Redis", "ok", "answers; its persistence cannot be asked")
    except (RedisError, OSError) as error:
        return Check("Redis", "fail", f"{error}: check REDIS_URL")
    if kept.get("appendonly") == "yes":
        return Check("Redis", "ok", "append-only file is on")
    return Check("Redis", "warn", "appendonly is off: hints are sent again after a restart")


async def _cluster(cluster: RedisCluster) -> Check:
    try:
        await cluster.initialize()
    except (RedisError, RedisClusterException, OSError) as error:
        return Check("Redis cluster", "fail", f"{error}: check REDIS_CLUSTER_URL")
    return Check("Redis cluster", "ok", "answers")


async def _s3(runtime: Runtime) -> Check:
    try:
        await runtime.blobs.probe()
    except (Refused, Unavailable) as error:
        return Check("S3", "fail", f"{error}: check AWS_S3_BUCKET and AWS_ENDPOINT_URL")
    return Check("S3", "ok", "answers")


async def _processes(runtime: Runtime) -> Check:
    ready = {node.role for node in await nodes(runtime) if node.alive and node.state == "ready"}
    missing = [role for role in ROLES if role not in ready]
    if missing:
        return Check("processes", "fail", f"no {', '.join(missing)} is ready")
    return Check("processes", "ok", ", ".join(ROLES))
