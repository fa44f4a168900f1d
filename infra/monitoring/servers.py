"""Postgres, Redis, the log, the read models and the queues: measured by one process for all."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, LiteralString

import structlog
from psycopg.rows import dict_row
from redis.exceptions import RedisError

from domain.job_args import QueueName
from infra.db import Connection
from infra.eventstore.reader import HEAD
from infra.jobs.stats import troubles
from infra.metrics import Gauges, Labels, Metric, Metrics, Totals, labelled
from infra.monitoring.sampling import Sampler, share
from infra.nodes import ROLES, nodes
from infra.runtime import Runtime

ROLE = "cluster"  # whose samples these are, whichever process writes them

# What a role without rights may not see is null.
POSTGRES = """
SELECT d.xact_commit, d.xact_rollback, d.blks_read, d.blks_hit, d.tup_inserted, d.tup_updated,
    d.tup_deleted, d.deadlocks, d.temp_bytes, pg_database_size(d.datid)::float8 AS bytes,
    (SELECT age(datfrozenxid) FROM pg_database WHERE oid = d.datid) AS xid_age,
    a.active, a.idle, a.idle_in_transaction, a.lock_waits, a.longest_s,
    a.clients / current_setting('max_connections')::float8 AS connections_share,
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS wal_bytes,
    (SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), 0)::float8
     FROM pg_stat_replication) AS replica_lag_bytes,
    t.dead_rows, t.events
FROM pg_stat_database d
CROSS JOIN (
    SELECT count(*) AS clients, count(*) FILTER (WHERE state = 'active') AS active,
        count(*) FILTER (WHERE state = 'idle') AS idle,
        count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
        count(*) FILTER (WHERE wait_event_type = 'Lock') AS lock_waits,
        coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0)::float8 AS longest_s
    FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
) a
CROSS JOIN (
    SELECT coalesce(sum(n_dead_tup), 0)::float8 AS dead_rows,
        coalesce(sum(n_tup_ins) FILTER (WHERE relid = 'formula_events'::regclass), 0)::float8
            AS events
    FROM pg_stat_user_tables
) t
WHERE d.datname = current_database()
"""

CONSUMERS = """
SELECT c.name, c.position, coalesce(extract(epoch FROM clock_timestamp() - (
    SELECT e.recorded_at FROM formula_events e WHERE e.notification_id > c.position
    ORDER BY e.notification_id LIMIT 1)), 0)::float8 AS behind_s
FROM formula_checkpoints c ORDER BY c.name LIMIT 100
"""

DEAD_LETTERS = "SELECT count(*) FROM formula_dead_letters"

# Of Postgres's row by column: what rises, and what is as it is.
RISING = {
    "xact_commit": ("formula_postgres_commits_total", "transactions committed"),
    "xact_rollback": ("formula_postgres_rollbacks_total", "transactions rolled back"),
    "blks_read": ("formula_postgres_blocks_read_total", "blocks not found in shared buffers"),
    "blks_hit": ("formula_postgres_blocks_hit_total", "blocks found there"),
    "tup_inserted": ("formula_postgres_rows_inserted_total", "rows inserted"),
    "tup_updated": ("formula_postgres_rows_updated_total", "rows updated"),
    "tup_deleted": ("formula_postgres_rows_deleted_total", "rows deleted"),
    "deadlocks": ("formula_postgres_deadlocks_total", "deadlocks"),
    "temp_bytes": ("formula_postgres_temp_bytes_total", "written to temporary files"),
    "wal_bytes": ("formula_postgres_wal_bytes_total", "write-ahead log made"),
    "events": ("formula_store_events_total", "durable events stored, by Postgres's statistics"),
}
STANDING = {
    "bytes": ("formula_postgres_bytes", "size of the database"),
    "xid_age": ("formula_postgres_xid_age", "transactions since the oldest row was frozen"),
    "lock_waits": ("formula_postgres_lock_waits", "sessions that wait for a lock"),
    "longest_s": ("formula_postgres_longest_transaction_seconds", "the oldest open transaction"),
    "connections_share": ("formula_postgres_connections_share", "of max_connections"),
    "replica_lag_bytes": ("formula_postgres_replica_lag_bytes", "of the replica furthest behind"),
    "dead_rows": ("formula_postgres_dead_rows", "rows that a vacuum would remove"),
}
SESSIONS = ("active", "idle", "idle_in_transaction")

# The same of Redis's INFO.
REDIS_RISING = {
    "total_commands_processed": ("formula_redis_commands_total", "commands"),
    "keyspace_hits": ("formula_redis_hits_total", "keys looked up and found"),
    "keyspace_misses": ("formula_redis_misses_total", "keys looked up and not found"),
    "evicted_keys": ("formula_redis_evicted_total", "keys removed for want of memory"),
    "rejected_connections": ("formula_redis_rejected_total", "connections refused"),
    "total_net_input_bytes": ("formula_redis_received_bytes_total", "read from sockets"),
    "total_net_output_bytes": ("formula_redis_sent_bytes_total", "written to sockets"),
}
REDIS_STANDING = {
    "connected_clients": ("formula_redis_clients", "connections"),
    "blocked_clients": ("formula_redis_blocked_clients", "of them, those that wait for something"),
    "used_memory": ("formula_redis_memory_bytes", "memory of the data and its upkeep"),
    "memory_share": ("formula_redis_memory_share", "of maxmemory, where there is one"),
    "mem_fragmentation_ratio": ("formula_redis_fragmentation", "resident memory by used memory"),
}

log = structlog.get_logger()


class Servers:
    """A tick of the scheduler that leads."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._seen: Sequence[Metric] = ()
        metrics = Metrics()
        metrics.include(lambda: self._seen)
        self._sampler = Sampler(runtime, ROLE, metrics, begun=False)

    async def __call__(self, _now: float) -> None:
        runtime = self._runtime
        self._seen = [*await postgres(runtime), *await redis(runtime), await _ready(runtime)]
        families = await self._sampler.sample(self._runtime.now())
        await share(self._runtime, ROLE, [labelled(one, ("role", ROLE)) for one in families])


async def postgres(runtime: Runtime) -> list[Metric]:
    """Raises psycopg.Error."""
    async with runtime.db.connection() as db:
        began = time.perf_counter()
        await db.execute("SELECT 1")
        took = time.perf_counter() - began
        return [
            _one("formula_postgres_ping_seconds", "a round trip", took),
            *await _internals(db),
            *await _consumers(db),
            *await _queues(db),
        ]


async def _internals(db: Connection) -> list[Metric]:
    async with db.cursor(row_factory=dict_row) as cursor:
        row = await (await cursor.execute(POSTGRES)).fetchone() or {}
    sessions = {(("state", state),): float(row[state]) for state in SESSIONS if state in row}
    return [
        Gauges("formula_postgres_connections", "of clients, by state", sessions),
        *_read(row, RISING, STANDING),
    ]


async def _consumers(db: Connection) -> list[Metric]:
    head = await _number(db, HEAD)
    rows = await (await db.execute(CONSUMERS)).fetchall()
    at = {(("group", name),): float(position) for name, position, _ in rows}
    behind = {(("group", name),): float(seconds) for name, _, seconds in rows}
    lag = {group: max(head - position, 0.0) for group, position in at.items()}
    dead = await _number(db, DEAD_LETTERS)
    return [
        Totals("formula_store_positions_total", "given to events and motion", {(): head}),
        Totals("formula_projection_positions_total", "read, by consumer of the log", at),
        Gauges("formula_projection_lag_seconds", "age of the first event to be read", behind),
        Gauges("formula_projection_lag_positions", "still to be read", lag),
        _one("formula_dead_letters", "events that read models hold back", dead),
    ]


async def _queues(db: Connection) -> list[Metric]:
    found = await troubles(db, [name.value for name in QueueName])

    def by_queue(which: str) -> dict[Labels, float]:
        return {(("queue", one.queue),): float(getattr(one, which)) for one in found}

    oldest = "how long the first that is due has waited"
    return [
        Gauges("formula_queue_due", "jobs that wait and could run", by_queue("due")),
        Gauges("formula_queue_due_seconds", oldest, by_queue("oldest_s")),
        Gauges("formula_queue_dead", "jobs that were given up", by_queue("dead")),
    ]


async def _ready(runtime: Runtime) -> Metric:
    there = [one.role for one in await nodes(runtime) if one.alive and one.state == "ready"]
    ready = {(("of", role),): float(there.count(role)) for role in ROLES}
    return Gauges("formula_nodes_ready", "processes that are alive and ready, by role", ready)


async def redis(runtime: Runtime) -> list[Metric]:
    """That it is away is a measurement."""
    began = time.perf_counter()
    up = "formula_redis_up"
    try:
        await runtime.redis.ping()  # pyright: ignore[reportUnknownMemberType]  # untyped
        took = time.perf_counter() - began
        info: dict[str, Any] = await runtime.redis.info()  # pyright: ignore[reportUnknownMemberType]
    except (RedisError, OSError) as error:
        log.warning("redis_not_measured", error=repr(error))
        return [_one(up, "1: it answers", 0.0)]
    if most := info.get("maxmemory"):
        info["memory_share"] = info["used_memory"] / most
    return [
        _one(up, "1: it answers", 1.0),
        _one("formula_redis_ping_seconds", "a round trip", took),
        *_read(info, REDIS_RISING, REDIS_STANDING),
    ]


def _read(
    values: Mapping[str, Any],
    rising: Mapping[str, tuple[str, str]],
    standing: Mapping[str, tuple[str, str]],
) -> Iterator[Metric]:
    for key, (name, about) in rising.items():
        if values.get(key) is not None:
            yield Totals(name, about, {(): float(values[key])})
    for key, (name, about) in standing.items():
        if values.get(key) is not None:
            yield _one(name, about, float(values[key]))


def _one(name: str, about: str, value: float) -> Metric:
    return Gauges(name, about, {(): value})


async def _number(db: Connection, query: LiteralString) -> float:
    row = await (await db.execute(query)).fetchone()
    return float(row[0]) if row else 0.0
