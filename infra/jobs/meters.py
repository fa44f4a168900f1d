"""The queues for Prometheus. What is counted of rows goes in time with them: gauges.

What workers ended they count themselves, each since it began: rates are made of these.
"""

from collections.abc import Iterable, Mapping

from infra.jobs.board import QueueNow
from infra.metrics import Gauges, Labels, Totals

STATES = (
    "waiting",
    "delayed",
    "blocked",
    "active",
    "done",
    "refused",
    "cancelled",
    "dead",
)


def meters(queues: Iterable[QueueNow]) -> list[Gauges | Totals]:
    jobs: dict[Labels, float] = {}
    oldest: dict[Labels, float] = {}
    done: dict[Labels, float] = {}
    failed: dict[Labels, float] = {}
    workers: dict[Labels, float] = {}
    paused: dict[Labels, float] = {}
    waits: dict[Labels, float] = {}
    runs: dict[Labels, float] = {}
    ended: dict[Labels, float] = {}
    for one in queues:
        queue = ("queue", one.queue)
        jobs |= {(queue, ("state", state)): getattr(one, state) for state in STATES}
        oldest[queue,] = one.oldest_s
        done[queue,] = one.done_last_hour
        failed[queue,] = one.failed_last_hour
        workers[queue,] = one.workers
        paused[queue,] = float(one.paused_at is not None)
        ended |= {
            (queue, ("state", state), ("worker", worker)): attempts
            for worker, states in one.ended.items()
            for state, attempts in states.items()
        }
        waits |= _quantiles(queue, {"0.5": one.wait_p50_ms, "0.99": one.wait_p99_ms})
        runs |= _quantiles(queue, {"0.5": one.run_p50_ms, "0.99": one.run_p99_ms})
    return [
        Gauges("formula_queue_jobs", "jobs by state; of those over, as many as are kept", jobs),
        Totals("formula_queue_ended_total", "attempts, by the state that they left", ended),
        Gauges("formula_queue_oldest_seconds", "how long the first that is due has waited", oldest),
        Gauges("formula_queue_done_last_hour", "jobs that were done", done),
        Gauges("formula_queue_failed_last_hour", "jobs that died", failed),
        Gauges("formula_queue_workers", "processes that listen", workers),
        Gauges("formula_queue_paused", "1: nothing is handed out", paused),
        Gauges("formula_queue_wait_seconds", "from due to started, of the newest 1,000", waits),
        Gauges("formula_queue_run_seconds", "of the last attempt, of the newest 1,000", runs),
    ]


def _quantiles(queue: tuple[str, str], times_ms: Mapping[str, float | None]) -> dict[Labels, float]:
    """Nothing of a queue in which no job is done."""
    return {
        (queue, ("quantile", share)): round(ms / 1_000, 6)
        for share, ms in times_ms.items()
        if ms is not None
    }
