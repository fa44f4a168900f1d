"""How the queues do and who serves them, as dashboards and scrapers see it."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf

import msgspec

from infra.jobs.queues import Queue, queues_of
from infra.jobs.stats import QueueStats, stats
from infra.nodes import Node, nodes
from infra.runtime import Runtime

KEPT_S = 1.0  # however many ask, Postgres is looked at once in so long


class QueueNow(QueueStats, frozen=True, kw_only=True):
    """A queue. `workers`: processes that listen to it, with `concurrency` jobs at a time each.

    `ended`: how many attempts each of them ended since it began, by the state they left their job
    in; queued: to be tried again.
    """

    workers: int
    ended: Mapping[str, Mapping[str, int]]
    concurrency: int
    retries: int
    per_minute: int  # handed out, to all workers together; 0: no limit


class Board:
    """Of a process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._looking = asyncio.Lock()
        self._seen: list[QueueNow] = []
        self._at = -inf

    async def queues(self) -> list[QueueNow]:
        """As they were at most a second ago."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now - self._at >= KEPT_S:
                self._seen, self._at = await look(self._runtime), now
            return self._seen


async def look(runtime: Runtime) -> list[QueueNow]:
    queues = queues_of(runtime.settings)
    async with runtime.db.connection() as db:
        found = await stats(db, [queue.name for queue in queues])
    workers = [node for node in await nodes(runtime) if node.role == "worker" and node.alive]
    return [_now(one, queue, workers) for one, queue in zip(found, queues, strict=True)]


def listening(found: Iterable[Node]) -> Counter[str]:
    """How many live workers listen, by queue."""
    return Counter(
        queue
        for node in found
        if node.role == "worker" and node.alive
        for queue, listens in node.detail.get("listens", {}).items()
        if listens
    )


def ended_by_queue(ended: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """As a worker's heart tells it."""
    told: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (queue, state), attempts in ended.items():
        told[queue][state] = attempts
    return told


def _now(found: QueueStats, queue: Queue, workers: Sequence[Node]) -> QueueNow:
    ended = {str(node.node): node.detail.get("ended", {}).get(queue.name) for node in workers}
    return QueueNow(
        **msgspec.structs.asdict(found),
        workers=listening(workers)[queue.name],
        ended={node: states for node, states in ended.items() if states},
        concurrency=queue.concurrency,
        retries=queue.retries,
        per_minute=queue.per_minute,
    )
