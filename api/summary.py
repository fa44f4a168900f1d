"""How every process and server is, as seen by the process that answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from infra.nodes import ROLES, Node, degraded, missing_roles, nodes
from infra.runtime import Runtime
from infra.services import ServiceState, State


class ServiceHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """A server that the processes need. `since`: when it was first seen so. `error`: the last, only
    for those who may see it.
    """

    name: str
    status: str  # starting, up, down
    since: datetime
    latency_ms: float | None = None
    error: str = ""


class ProcessHealth(msgspec.Struct, frozen=True, omit_defaults=True):
    """`since`: when it started. `detail` only for those who may see it."""

    role: str
    status: str  # starting, ready, unready, stopping, gone
    since: datetime
    latency_ms: float | None = None  # since its last heartbeat
    detail: dict[str, Any] | None = None


class Summary(msgspec.Struct, frozen=True):
    """`status`: up; degraded, when a role or a server is missing or nobody looks at the rules of
    alerts (`degraded` names what all else goes on without); down, when Postgres is.
    """

    status: str
    services: list[ServiceHealth]
    processes: list[ProcessHealth]
    degraded: list[str]


class ProcessServices(msgspec.Struct, frozen=True):
    """What a process is made of, as its last heartbeat told; of a supervisor: its processes."""

    node: UUID
    role: str
    host: str
    pid: int
    status: str
    services: list[ServiceState]


async def summary(runtime: Runtime, *, detailed: bool) -> Summary:
    found = await nodes(runtime)
    servers = [_server(one, detailed=detailed) for one in _servers(runtime, found)]
    away = degraded(found, runtime.services.degraded())
    return Summary(
        status=_overall(servers, found, away),
        services=servers,
        processes=[_process(runtime, node, detailed=detailed) for node in found],
        degraded=away,
    )


def services_of(found: Sequence[Node]) -> list[ProcessServices]:
    return [
        ProcessServices(one.node, one.role, one.name, one.pid, one.status, one.services)
        for one in found
    ]


def _servers(runtime: Runtime, found: Sequence[Node]) -> list[ServiceState]:
    """Those that this process asks, then those that only others do."""
    seen = {one.name: one for one in runtime.services.state() if one.server}
    for node in found:
        if node.alive and node.role in ROLES:
            for one in node.services:
                if one.server:
                    seen.setdefault(one.name, one)
    return list(seen.values())


def _server(one: ServiceState, *, detailed: bool) -> ServiceHealth:
    status = one.state if one.state in (State.UP, State.STARTING) else State.DOWN
    error = one.error if detailed and status is State.DOWN else ""
    return ServiceHealth(one.name, status, one.since, one.latency_ms, error)


def _overall(servers: Sequence[ServiceHealth], found: Sequence[Node], lacked: Sequence[str]) -> str:
    away = {*lacked, *(one.name for one in servers if one.status == State.DOWN)}
    if "postgres" in away:
        return "down"
    return "degraded" if away or missing_roles(found) else "up"


def _process(runtime: Runtime, node: Node, *, detailed: bool) -> ProcessHealth:
    if not detailed:
        return ProcessHealth(node.role, node.status, node.started_at)
    silent = (runtime.now() - node.seen_at).total_seconds() * 1_000
    about = {"node": str(node.node), "host": node.name, "pid": node.pid, **node.detail}
    age_ms = round(max(silent, 0.0), 1)
    return ProcessHealth(node.role, node.status, node.started_at, age_ms, about)
